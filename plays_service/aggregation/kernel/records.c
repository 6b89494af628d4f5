#include "records.h"

#include "quotes.h"
#include "utf8.h"

/* A record's bytes with the longest line end. */
#define LONGEST (PK_RECORD_LIMIT + 2)

pk_status
pk_read_on(pk_scan *scan, size_t size)
{
    pk_status status = pk_batch_flush(&scan->batch);
    return status == PK_OK ? pk_buffer_read(&scan->buffer, size) : status;
}

static pk_status
note_bad(pk_scan *scan, const pk_bad *bad)
{
    if (scan->bad_count < PK_BAD_KEPT) {
        scan->bad[scan->bad_count++] = *bad;
    }
    if (!scan->skip_errors) {
        return PK_STOPPED;
    }
    scan->skipped++;
    return PK_OK;
}

/* Takes the record of `size` bytes, without its line end, at the buffer's position. */
static pk_status
take_text(pk_scan *scan, size_t size, bool *valid)
{
    const uint8_t *text = scan->buffer.bytes + scan->buffer.position;
    pk_fields fields = {0};
    *valid = pk_is_utf8(text, size) && pk_split_record(&scan->dialect, text, text + size, &fields);
    if (!*valid) {
        return PK_OK;
    }
    uint64_t first = scan->base + scan->buffer.base + scan->buffer.position;
    return pk_batch_add(&scan->batch, &fields, first, valid);
}

typedef enum { LINE, NO_LINE, TOO_FAR } line_kind;

/* Where the line ends that starts `from` bytes after the buffer's position, line end included:
 * `*stop` counts from the position. NO_LINE: the file ends. TOO_FAR: beyond the longest record. */
static pk_status
find_line(pk_scan *scan, size_t from, size_t *stop, line_kind *kind)
{
    pk_buffer *buffer = &scan->buffer;
    for (size_t searched = from;;) {
        const uint8_t *text = buffer->bytes + buffer->position;
        size_t live = buffer->length - buffer->position;
        size_t bound = live < LONGEST ? live : LONGEST;
        const uint8_t *found = pk_find_byte(text + searched, text + bound, scan->dialect.line_end);
        *kind = LINE;
        if (found != NULL) {
            *stop = (size_t)(found - text) + 1;
            return PK_OK;
        }
        if (live > LONGEST) {
            *kind = TOO_FAR;
            return PK_OK;
        }
        if (buffer->at_end) {
            *kind = live == from ? NO_LINE : LINE;
            *stop = live;
            return PK_OK;
        }
        searched = live > from ? live : from;
        pk_status status = pk_read_on(scan, PK_WINDOW);
        if (status != PK_OK) {
            return status;
        }
    }
}

/* Bytes of [text, text + size) without a line end at its end. */
static size_t
without_line_end(const pk_scan *scan, const uint8_t *text, size_t size)
{
    uint8_t line_end = scan->dialect.line_end;
    if (size == 0 || text[size - 1] != line_end) {
        return size;
    }
    return size - (line_end == '\n' && size > 1 && text[size - 2] == '\r' ? 2 : 1);
}

/* Moves on to the next line, however far it is. */
static pk_status
skip_line(pk_scan *scan)
{
    pk_buffer *buffer = &scan->buffer;
    for (;;) {
        const uint8_t *text = buffer->bytes + buffer->position;
        const uint8_t *end = buffer->bytes + buffer->length;
        const uint8_t *found = pk_find_byte(text, end, scan->dialect.line_end);
        buffer->position = found ? (size_t)(found - buffer->bytes) + 1 : buffer->length;
        if (found != NULL || buffer->at_end) {
            return PK_OK;
        }
        pk_status status = pk_read_on(scan, PK_WINDOW);
        if (status != PK_OK) {
            return status;
        }
    }
}

/* Finds the end of the record whose first line ends at `*stop`, which is moved to its last line's;
 * `*lines` is how many it has. False in `*found`: its quotes do not close in time, as `bad` says.
 *
 * What a search without success found out is kept: wherever a line before the one at memo_offset
 * ends inside quotes, that one starts inside quotes, opened on memo_opened. Without it a hostile
 * file makes each of its lines search the whole limit anew. */
static pk_status
close_quote(pk_scan *scan, size_t *stop, uint64_t *lines, bool *found, pk_bad *bad)
{
    const pk_buffer *buffer = &scan->buffer;
    uint8_t delimiter = scan->dialect.delimiter;
    const uint8_t *text = buffer->bytes + buffer->position;
    bool open = pk_quote_at_end(text, text + *stop, delimiter, false) != PK_CLOSED;
    bad->opened = scan->lines;
    *lines = 1;
    *found = true;
    while (open) {
        size_t from = *stop;
        uint64_t offset = buffer->base + buffer->position;
        if (offset + from < scan->memo_offset) {
            *lines = scan->memo_line - scan->lines;
            from = (size_t)(scan->memo_offset - offset);
            if (bad->opened < scan->memo_opened) {
                bad->opened = scan->memo_opened;
            }
        }
        line_kind kind;
        pk_status status = find_line(scan, from, stop, &kind);
        if (status != PK_OK) {
            return status;
        }
        if (kind != LINE) {
            scan->memo_line = scan->lines + *lines;
            scan->memo_offset = buffer->base + buffer->position + from;
            scan->memo_opened = bad->opened;
            bad->kind = kind == TOO_FAR ? PK_BAD_TOO_LONG : PK_BAD_NEVER_CLOSED;
            *found = false;
            return PK_OK;
        }
        text = buffer->bytes + buffer->position;
        pk_quote_end state = pk_quote_at_end(text + from, text + *stop, delimiter, true);
        if (state == PK_OPENED) {
            bad->opened = scan->lines + *lines;
        }
        open = state != PK_CLOSED;
        ++*lines;
    }
    text = buffer->bytes + buffer->position;
    *found = without_line_end(scan, text, *stop) <= PK_RECORD_LIMIT;
    bad->kind = *found ? PK_BAD_VALUES : PK_BAD_TOO_LONG;
    return PK_OK;
}

static pk_status
take_quoted_record(pk_scan *scan, size_t first_stop)
{
    pk_buffer *buffer = &scan->buffer;
    size_t stop = first_stop;
    uint64_t lines;
    bool good;
    pk_bad bad = {.offset = buffer->base + buffer->position, .line = scan->lines};
    pk_status status = close_quote(scan, &stop, &lines, &good, &bad);
    if (status != PK_OK) {
        return status;
    }
    if (good) {
        const uint8_t *text = buffer->bytes + buffer->position;
        status = take_text(scan, without_line_end(scan, text, stop), &good);
    } else { /* the line that starts it is what is bad */
        stop = first_stop;
        lines = 1;
    }
    buffer->position += stop;
    scan->lines += lines;
    return status == PK_OK && !good ? note_bad(scan, &bad) : status;
}

pk_status
pk_take_record(pk_scan *scan)
{
    pk_buffer *buffer = &scan->buffer;
    size_t stop = 0;
    line_kind kind;
    pk_status status = find_line(scan, 0, &stop, &kind);
    if (status != PK_OK) {
        return status;
    }
    pk_bad bad = {.offset = buffer->base + buffer->position, .line = scan->lines};
    const uint8_t *text = buffer->bytes + buffer->position;
    size_t size = kind == LINE ? without_line_end(scan, text, stop) : SIZE_MAX;
    bool good = false;
    if (size > PK_RECORD_LIMIT) {
        bad.kind = PK_BAD_TOO_LONG;
        status = skip_line(scan);
    } else if (pk_find_byte(text, text + stop, '"') != NULL) {
        return take_quoted_record(scan, stop);
    } else {
        good = true;
        status = size > 0 ? take_text(scan, size, &good) : PK_OK;
        buffer->position += stop;
    }
    if (status == PK_OK && !good) {
        status = note_bad(scan, &bad);
    }
    scan->lines += status == PK_OK;
    return status;
}
