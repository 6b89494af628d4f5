#include "result.h"

#include "rows.h"
#include "values.h"

#define LONGEST_ROW (2 * PK_RECORD_LIMIT + PK_ROW_EXTRA)
#define DATE_SIZE 10
/* ",2020-01-01," */
#define AROUND_DATE (DATE_SIZE + 2)

pk_status
pk_result_open(pk_result *result, int descriptor, uint64_t start)
{
    memset(result, 0, sizeof *result);
    return pk_buffer_open(&result->buffer, descriptor, start, PK_WINDOW);
}

void
pk_result_close(pk_result *result)
{
    pk_buffer_close(&result->buffer);
    pk_space_free(&result->song);
}

/* How far the end of a row was looked for. */
typedef struct {
    size_t size;
    bool in_quotes;
} progress;

/* Whether the row's line end is there; `looked->size` is then the row's size without it. All its
 * quotes are in pairs, so that those inside a song need no care. */
static bool
find_quoted_end(const uint8_t *row, size_t size, progress *looked)
{
    while (looked->size < size) {
        const uint8_t *from = row + looked->size;
        if (looked->in_quotes) {
            const uint8_t *quote = memchr(from, '"', size - looked->size);
            looked->in_quotes = quote == NULL;
            looked->size = quote == NULL ? size : (size_t)(quote - row) + 1;
        } else if (*from == '\n') {
            return true;
        } else {
            looked->in_quotes = *from == '"';
            looked->size++;
        }
    }
    return false;
}

static bool
find_end(const pk_buffer *buffer, progress *looked)
{
    const uint8_t *row = buffer->bytes + buffer->position;
    const size_t size = buffer->length - buffer->position;
    if (size > 0 && *row == '"') {
        return find_quoted_end(row, size, looked);
    }
    const uint8_t *found = memchr(row + looked->size, '\n', size - looked->size);
    looked->size = found == NULL ? size : (size_t)(found - row);
    return found != NULL;
}

/* A whole number of up to 128 bits with its sign, as rows.py writes it. */
static bool
parse_wide(pk_span field, pk_int128 *plays)
{
    const bool negative = field.start < field.end && *field.start == '-';
    const uint8_t *p = field.start + negative;
    const pk_uint128 limit = ((pk_uint128)1 << 127) - !negative;
    pk_uint128 number = 0;
    if (p == field.end || field.end - p > 39) {
        return false;
    }
    for (; p < field.end; p++) {
        unsigned digit = (unsigned)*p - '0';
        if (digit > 9 || number > (limit - digit) / 10) {
            return false;
        }
        number = number * 10 + digit;
    }
    *plays = (pk_int128)(negative ? 0 - number : number);
    return true;
}

static pk_status
take_out_quotes(pk_result *result, pk_result_row *row)
{
    if (row->length < 2 || row->song[row->length - 1] != '"') {
        return PK_DAMAGED;
    }
    const uint8_t *from = row->song + 1, *end = row->song + row->length - 1;
    row->song = from;
    row->length -= 2;
    if (memchr(from, '"', row->length) == NULL) {
        return PK_OK;
    }
    pk_status status = pk_space_for(&result->song, row->length + PK_PADDING);
    if (status != PK_OK) {
        return status;
    }
    uint8_t *to = result->song.bytes;
    while (from < end) {
        from += *from == '"'; /* of two, the second */
        *to++ = *from++;
    }
    row->song = result->song.bytes;
    row->length = (uint32_t)(to - row->song);
    memset(to, 0, PK_PADDING);
    return PK_OK;
}

/* From its end, where dates and numbers are. */
static pk_status
parse_row(pk_result *result, const uint8_t *start, size_t size, pk_result_row *row)
{
    const uint8_t *end = start + size, *number = end;
    while (number > start && number[-1] != ',') {
        number--;
    }
    if (number - start <= AROUND_DATE || number[-AROUND_DATE] != ',' ||
        number - start - AROUND_DATE > (ptrdiff_t)LONGEST_ROW) {
        return PK_DAMAGED;
    }
    uint32_t code;
    bool looks_well = pk_code_date((pk_span){number - 1 - DATE_SIZE, number - 1}, &code);
    row->date = looks_well ? pk_date_of_code(code) : 0;
    int64_t plays;
    if (PK_LIKELY(number < end && pk_parse_plays((pk_span){number, end}, &plays))) {
        row->plays = plays;
    } else if (!parse_wide((pk_span){number, end}, &row->plays)) {
        return PK_DAMAGED;
    }
    row->song = start;
    row->length = (uint32_t)(number - start - AROUND_DATE);
    if (PK_UNLIKELY(*start == '"')) {
        pk_status status = take_out_quotes(result, row);
        if (status != PK_OK) {
            return status;
        }
    }
    bool is_row = row->date != 0 && row->length >= 1 && row->length <= PK_RECORD_LIMIT;
    return is_row ? PK_OK : PK_DAMAGED;
}

pk_status
pk_result_next(pk_result *result, pk_result_row *row)
{
    pk_buffer *buffer = &result->buffer;
    progress looked = {0};
    while (!find_end(buffer, &looked)) {
        if (buffer->at_end) {
            return looked.size == 0 ? PK_STOPPED : PK_DAMAGED;
        }
        if (looked.size > LONGEST_ROW) {
            return PK_DAMAGED;
        }
        pk_status status = pk_buffer_read(buffer, PK_WINDOW);
        if (status != PK_OK) {
            return status;
        }
    }
    const uint8_t *start = buffer->bytes + buffer->position;
    row->offset = buffer->base + buffer->position;
    buffer->position += looked.size + 1;
    return parse_row(result, start, looked.size, row);
}
