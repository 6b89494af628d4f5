#include "scan.h"

#include "index.h"
#include "indexed.h"
#include "memory.h"
#include "records.h"

_Static_assert(PK_WINDOW <= PK_RECORD_LIMIT, "what is in one window is never too long");

pk_status
pk_scan_open(pk_scan *scan, int descriptor, uint64_t start, uint64_t end,
             const pk_dialect *dialect)
{
    memset(scan, 0, sizeof *scan);
    scan->dialect = *dialect;
    scan->end = end;
    scan->odd_stretch = PK_ODD_STRETCH;
    pk_batch_init(&scan->batch);
    size_t size = end - start < PK_WINDOW ? (size_t)(end - start) : PK_WINDOW;
    pk_status status = pk_buffer_open(&scan->buffer, descriptor, start, size + PK_PADDING);
    if (status != PK_OK) {
        return status;
    }
    scan->index_size = (size + PK_INDEX_SLACK) * sizeof *scan->index;
    scan->index = pk_allocate(scan->index_size);
    return scan->index == NULL ? PK_NO_MEMORY : PK_OK;
}

void
pk_scan_close(pk_scan *scan)
{
    pk_buffer_close(&scan->buffer);
    pk_release(scan->index, scan->index_size);
    pk_batch_free(&scan->batch);
    scan->index = NULL;
}

/* Bytes to read so that the buffer holds a window of this scan. */
static size_t
unread(const pk_scan *scan, size_t window)
{
    size_t live = scan->buffer.length - scan->buffer.position;
    uint64_t read = scan->buffer.base + scan->buffer.length;
    uint64_t left = read < scan->end && !scan->buffer.at_end ? scan->end - read : 0;
    size_t room = window > live ? window - live : 0;
    return left < room ? (size_t)left : room;
}

pk_status
pk_scan_run(pk_scan *scan, pk_sink *sink, void *context)
{
    pk_buffer *buffer = &scan->buffer;
    const size_t window = scan->index_size / sizeof *scan->index - PK_INDEX_SLACK;
    scan->batch.sink = sink;
    scan->batch.context = context;
    pk_status status = PK_OK;
    bool stuck = false; /* on a record that the index does not show whole */
    while (status == PK_OK) {
        size_t live = buffer->length - buffer->position;
        size_t more = unread(scan, window);
        if (more > 0 && (stuck || live <= window / 2)) {
            status = pk_read_on(scan, more);
            stuck = false;
            continue;
        }
        uint64_t offset = buffer->base + buffer->position;
        if (live == 0 || offset >= scan->end) {
            break;
        }
        if (stuck) {
            status = pk_take_record(scan);
            stuck = false;
            continue;
        }
        size_t before = buffer->position;
        uint64_t moves = buffer->moves;
        size_t indexed = live < window ? live : window;
        size_t limit = scan->end - offset < live ? (size_t)(scan->end - offset) : live;
        limit = before + (limit < indexed ? limit : indexed);
        status = pk_take_indexed(scan, before + indexed, limit);
        stuck = buffer->moves == moves && buffer->position == before;
    }
    pk_status flushed = status == PK_OK ? pk_batch_flush(&scan->batch) : PK_OK;
    return status == PK_OK ? flushed : status;
}

pk_status
pk_scan_find_line(pk_scan *scan)
{
    pk_buffer *buffer = &scan->buffer;
    while (buffer->base + buffer->position < scan->end) {
        const uint8_t *text = buffer->bytes + buffer->position;
        uint64_t left = scan->end - (buffer->base + buffer->position);
        size_t live = buffer->length - buffer->position;
        const uint8_t *end = text + (live < left ? live : (size_t)left);
        const uint8_t *found = pk_find_byte(text, end, scan->dialect.line_end);
        buffer->position = (size_t)((found == NULL ? end : found + 1) - buffer->bytes);
        if (found != NULL || buffer->at_end) {
            return PK_OK;
        }
        size_t more = unread(scan, PK_WINDOW);
        pk_status status = more > 0 ? pk_buffer_read(buffer, more) : PK_OK;
        if (status != PK_OK) {
            return status;
        }
    }
    return PK_OK;
}

uint64_t
pk_scan_offset(const pk_scan *scan)
{
    return scan->buffer.base + scan->buffer.position;
}
