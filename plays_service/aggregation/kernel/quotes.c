#include "quotes.h"

/* The quote of the first field that starts with one after a delimiter at `from` or later. */
static const uint8_t *
find_opening(const uint8_t *from, const uint8_t *end, uint8_t delimiter)
{
    const uint8_t *quote = from;
    while ((quote = pk_find_byte(quote + 1, end, '"')) != NULL) {
        if (quote[-1] == delimiter) {
            return quote;
        }
    }
    return NULL;
}

pk_quote_end
pk_quote_at_end(const uint8_t *from, const uint8_t *end, uint8_t delimiter, bool open)
{
    const uint8_t *p = from;
    pk_quote_end state = PK_STILL_OPEN;
    if (!open) {
        const uint8_t *opening = *from == '"' ? from : find_opening(from, end, delimiter);
        if (opening == NULL) {
            return PK_CLOSED;
        }
        p = opening + 1;
        state = PK_OPENED;
    }
    while ((p = pk_find_byte(p, end, '"')) != NULL) {
        if (p + 1 < end && p[1] == '"') {
            p += 2;
            continue;
        }
        const uint8_t *opening = find_opening(p + 1, end, delimiter);
        if (opening == NULL) {
            return PK_CLOSED;
        }
        p = opening + 1;
        state = PK_OPENED;
    }
    return state;
}

/* Reads a quoted field from its first content byte; its end is the closing quote. */
static bool
read_quoted(const uint8_t *from, const uint8_t *end, pk_span *field, bool *escaped)
{
    const uint8_t *p = from;
    *escaped = false;
    while ((p = pk_find_byte(p, end, '"')) != NULL) {
        if (p + 1 == end || p[1] != '"') {
            *field = (pk_span){from, p};
            return true;
        }
        *escaped = true;
        p += 2;
    }
    return false;
}

bool
pk_split_record(const pk_dialect *dialect, const uint8_t *from, const uint8_t *end,
                pk_fields *fields)
{
    const uint8_t *p = from;
    for (uint32_t number = 0;; number++) {
        pk_span field;
        bool escaped = false;
        if (p < end && *p == '"') {
            if (!read_quoted(p + 1, end, &field, &escaped)) {
                return false;
            }
            p = field.end + 1;
            if (p < end && *p != dialect->delimiter) {
                return false;
            }
        } else {
            const uint8_t *delimiter = pk_find_byte(p, end, dialect->delimiter);
            field = (pk_span){p, delimiter == NULL ? end : delimiter};
            p = field.end;
        }
        pk_keep_field(dialect, number, field, escaped, fields);
        if (p == end) {
            return number + 1 == dialect->fields;
        }
        p++;
    }
}
