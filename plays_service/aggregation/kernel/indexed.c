#include "indexed.h"

#include "index.h"
#include "records.h"
#include "utf8.h"
#include "whole.h"

typedef enum { WHOLE, EMPTY, CUT_SHORT, ODD } record_kind;

/* A record as the index shows it. */
typedef struct {
    pk_fields fields;
    size_t next; /* position of the next record */
    size_t slot; /* in the index */
    uint64_t lines;
} indexed_record;

/* Reads a record at `from` whose first special byte is at index[slot]. ODD records are for
 * pk_take_record: they are bad, or rare. */
static record_kind
walk_record(const pk_scan *scan, size_t from, size_t slot, size_t count, indexed_record *record)
{
    const uint8_t *bytes = scan->buffer.bytes;
    const uint32_t *index = scan->index;
    const pk_dialect *dialect = &scan->dialect;
    const uint8_t line_end = dialect->line_end;
    size_t p = from;
    record->lines = 1;
    memset(&record->fields, 0, sizeof record->fields);
    for (uint32_t number = 0;; number++) {
        size_t start = p, stop, at;
        bool escaped = false;
        if (slot >= count) {
            return CUT_SHORT;
        }
        if (index[slot] == p && bytes[p] == '"') {
            for (start = p + 1, slot++;; slot++) {
                if (slot + 1 >= count) {
                    return CUT_SHORT;
                }
                at = index[slot];
                record->lines += bytes[at] == line_end;
                if (bytes[at] != '"') {
                    continue;
                }
                if (index[slot + 1] != at + 1 || bytes[at + 1] != '"') {
                    break;
                }
                escaped = true;
                slot++;
            }
            stop = at;
            at = index[++slot];
            bool crlf = at == stop + 2 && bytes[at] == '\n' && bytes[at - 1] == '\r';
            if (at != stop + 1 && !(crlf && line_end == '\n')) {
                return ODD;
            }
        } else {
            while (bytes[index[slot]] == '"') { /* within a field that started without: data */
                if (++slot >= count) {
                    return CUT_SHORT;
                }
            }
            at = stop = index[slot];
            if (bytes[at] == line_end && line_end == '\n' && at > start && bytes[at - 1] == '\r') {
                stop--;
            }
        }
        slot++;
        record->next = at + 1;
        record->slot = slot;
        pk_span field = {bytes + start, bytes + stop};
        pk_keep_field(dialect, number, field, escaped, &record->fields);
        if (bytes[at] == line_end) {
            if (number == 0 && start == stop && start == from) {
                return EMPTY;
            }
            return number + 1 == dialect->fields ? WHOLE : ODD;
        }
        p = at + 1;
    }
}

/* Lines of the `records` in [from, to): with line ends in quotes they are counted, all of a batch at
 * once, for only an error asks for them. */
static inline size_t
lines_of(const pk_scan *scan, const pk_indexed *indexed, size_t from, size_t to, size_t records)
{
    if (PK_LIKELY(!indexed->inner_line_ends)) {
        return records;
    }
    return pk_index->count(scan->buffer.bytes, from, to, scan->dialect.line_end);
}

/* Whether what is indexed is UTF-8, from `from` on; what is before has been taken. */
static bool
prove_utf8(pk_scan *scan, const pk_indexed *indexed, size_t from)
{
    if (scan->utf8 == PK_UNPROVED && indexed->count > 0) {
        const uint8_t *text = scan->buffer.bytes + from;
        bool good = pk_index->is_utf8(text, scan->index[indexed->count - 1] - from);
        scan->utf8 = good ? PK_PROVED : PK_DISPROVED;
    }
    return scan->utf8 == PK_PROVED;
}

/* Sends the rows that pk_read_whole has left in the batch, as far as they prove good. */
static pk_status
send_whole(pk_scan *scan, const pk_indexed *indexed, size_t count, size_t *taken)
{
    pk_batch *batch = &scan->batch;
    const bool utf8 = scan->utf8 == PK_PROVED;
    pk_status status = batch->sink(batch->context, batch->rows, count, utf8, taken);
    if (status == PK_DOUBTED && scan->utf8 == PK_UNPROVED) {
        pk_row *rest = batch->rows + *taken;
        if (prove_utf8(scan, indexed, (size_t)(rest->first - scan->base - scan->buffer.base))) {
            size_t more = 0;
            status = batch->sink(batch->context, rest, count - *taken, true, &more);
            *taken += more;
        }
    }
    batch->taken += *taken;
    batch->scratch_used = 0;
    return status == PK_DOUBTED ? PK_OK : status;
}

/* Takes whole and good records that end before `limit`, from the position on; `*slot` moves on with
 * it. */
static pk_status
take_whole(pk_scan *scan, const pk_indexed *indexed, size_t *slot, size_t limit)
{
    pk_buffer *buffer = &scan->buffer;
    const uint32_t fields = scan->dialect.fields;
    size_t last = indexed->count;
    while (last > *slot && scan->index[last - 1] >= limit) { /* only where the scan ends */
        last--;
    }
    pk_status status = pk_batch_flush(&scan->batch);
    for (bool more = true; more && status == PK_OK;) {
        size_t taken = 0, left = (last - *slot) / fields;
        size_t most = left < scan->batch.size ? left : scan->batch.size;
        size_t count = pk_read_whole(scan, scan->index + *slot, most, indexed->quotes);
        if (count > 0) {
            status = send_whole(scan, indexed, count, &taken);
        }
        if (taken > 0) {
            *slot += taken * fields;
            size_t next = (size_t)scan->index[*slot - 1] + 1;
            scan->lines += lines_of(scan, indexed, buffer->position, next, taken);
            buffer->position = next;
        }
        more = taken == scan->batch.size;
    }
    return status;
}

/* Takes records from the position on, as far as the index shows them whole and they start before
 * `limit`. `structure`: it is without quotes. */
static pk_status
take_indexed(pk_scan *scan, const pk_indexed *indexed, size_t limit, bool structure)
{
    pk_buffer *buffer = &scan->buffer;
    const pk_dialect dialect = scan->dialect;
    const size_t count = indexed->count;
    const bool quotes = indexed->quotes;
    const uint64_t moves = buffer->moves;
    size_t slot = 0;
    while (buffer->position < limit) {
        if (structure && PK_LIKELY(scan->utf8 != PK_DISPROVED)) {
            pk_status status = take_whole(scan, indexed, &slot, limit);
            if (status != PK_OK || buffer->position >= limit) {
                return status;
            }
        }
        const uint8_t *bytes = buffer->bytes;
        const uint32_t *index = scan->index + slot;
        const size_t from = buffer->position;
        indexed_record record;
        record_kind kind = WHOLE;
        if (structure && PK_LIKELY(slot + dialect.fields <= count) &&
            PK_LIKELY(pk_is_whole(bytes, index, &dialect))) {
            pk_read_fields(bytes, from, index, &dialect, quotes, &record.fields);
            record.next = (size_t)index[dialect.fields - 1] + 1;
            record.slot = slot + dialect.fields;
            record.lines = lines_of(scan, indexed, from, record.next, 1);
        } else {
            kind = walk_record(scan, from, slot, count, &record);
            PK_ASSERT(!structure || kind != WHOLE);
        }
        if (PK_UNLIKELY(kind == CUT_SHORT)) {
            break;
        }
        bool valid = kind == WHOLE;
        if (PK_UNLIKELY(scan->utf8 != PK_PROVED) && valid) {
            valid = pk_is_utf8(bytes + from, record.next - from);
        }
        pk_status status = PK_OK;
        if (PK_LIKELY(valid)) {
            uint64_t first = scan->base + buffer->base + from;
            status = pk_batch_add(&scan->batch, &record.fields, first, &valid);
        }
        if (PK_LIKELY(valid || kind == EMPTY)) {
            buffer->position = record.next;
            scan->lines += record.lines;
            slot = record.slot;
        } else {
            status = pk_take_record(scan);
            if (buffer->moves != moves) {
                return status;
            }
            while (slot < count && scan->index[slot] < buffer->position) {
                slot++;
            }
            PK_ASSERT(!structure || scan->index[slot - 1] + 1 == buffer->position);
        }
        if (PK_UNLIKELY(status != PK_OK)) {
            return status;
        }
    }
    return PK_OK;
}

/* Indexes from the position to `end`. */
static pk_indexed
index_with(pk_scan *scan, pk_index_function *function, size_t end)
{
    const uint8_t *bytes = scan->buffer.bytes;
    const size_t from = scan->buffer.position;
    const pk_dialect *dialect = &scan->dialect;
    pk_indexed indexed =
        function(bytes, from, end, dialect->delimiter, dialect->line_end, scan->index);
    scan->utf8 = PK_UNPROVED; /* nobody has asked yet */
    scan->often_quoted = false;
    return indexed;
}

/* Takes records whose quotes show no structure, from a stretch that grows until one is whole. */
static pk_status
take_odd(pk_scan *scan, size_t end, size_t limit)
{
    const pk_buffer *buffer = &scan->buffer;
    const size_t from = buffer->position;
    const uint64_t moves = buffer->moves;
    pk_status status = PK_OK;
    size_t reached = from;
    for (size_t size = scan->odd_stretch; reached < end; size *= 8) {
        reached = size < end - from ? from + size : end;
        pk_indexed indexed = index_with(scan, pk_index->special, reached);
        prove_utf8(scan, &indexed, from); /* one look at all of it, not at each record */
        status = take_indexed(scan, &indexed, limit, false);
        if (status != PK_OK || buffer->moves != moves || buffer->position != from) {
            break;
        }
    }
    return status;
}

pk_status
pk_take_indexed(pk_scan *scan, size_t end, size_t limit)
{
    const pk_buffer *buffer = &scan->buffer;
    const pk_dialect *dialect = &scan->dialect;
    const size_t from = buffer->position;
    const uint64_t moves = buffer->moves;
    pk_indexed indexed = index_with(scan, pk_index->structure, end);
    if (dialect->fields != 3) {
        prove_utf8(scan, &indexed, from); /* for no key shows what is in the others */
    }
    pk_status status = take_indexed(scan, &indexed, limit, true);
    if (indexed.end == end || status != PK_OK || buffer->moves != moves) {
        return status;
    }
    if (buffer->position - from >= scan->odd_stretch) {
        scan->odd_stretch = PK_ODD_STRETCH;
    } else if (scan->odd_stretch < PK_WINDOW / 4) { /* nearly all is odd: look less often */
        scan->odd_stretch *= 2;
    }
    return buffer->position < limit ? take_odd(scan, end, limit) : PK_OK;
}
