#include "indexed.h"

#include "index.h"
#include "records.h"
#include "utf8.h"

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

/* The dialect; its usual order of columns is known when this is compiled. */
static inline pk_dialect
dialect_of(const pk_scan *scan, bool usual)
{
    pk_dialect dialect = scan->dialect;
    if (usual) {
        dialect.fields = 3;
        dialect.song = 0;
        dialect.date = 1;
        dialect.plays = 2;
    }
    return dialect;
}

/* Whether the next positions, of the structure, are those of a record as the header has it. */
static inline bool
is_whole(const uint8_t *bytes, const uint32_t *index, const pk_dialect *dialect)
{
    const uint32_t last = dialect->fields - 1;
    unsigned other = bytes[index[last]] ^ dialect->line_end;
    for (uint32_t number = 0; number < last; number++) {
        other |= bytes[index[number]] ^ dialect->delimiter;
    }
    return other == 0;
}

/* A field of such a record, which starts at `from`, without its quotes. */
static inline pk_span
read_field(const uint8_t *bytes, size_t from, const uint32_t *index, const pk_dialect *dialect,
           uint32_t number, bool quotes)
{
    size_t start = number == 0 ? from : (size_t)index[number - 1] + 1;
    size_t end = index[number];
    end -= number + 1 == dialect->fields && dialect->line_end == '\n' && bytes[end - 1] == '\r';
    size_t quoted = quotes && bytes[start] == '"'; /* added, not asked: it may come and go */
    return (pk_span){bytes + start + quoted, bytes + end - quoted};
}

static inline void
read_fields(const uint8_t *bytes, size_t from, const uint32_t *index, const pk_dialect *dialect,
            bool quotes, pk_fields *fields)
{
    *fields = (pk_fields){
        .song = read_field(bytes, from, index, dialect, dialect->song, quotes),
        .date = read_field(bytes, from, index, dialect, dialect->date, quotes),
        .plays = read_field(bytes, from, index, dialect, dialect->plays, quotes),
    };
    if (quotes) {
        /* one that starts without a quote holds none */
        fields->song_escaped = pk_holds_quote(fields->song);
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

/* Takes whole and good records, from the position on, as many as the batch has room for: nearly
 * all records, in a loop that holds nothing else. How many positions it used. */
static inline __attribute__((always_inline)) size_t
take_whole(pk_scan *scan, const pk_indexed *indexed, size_t slot, size_t limit, bool usual,
           bool quotes)
{
    const pk_dialect dialect = dialect_of(scan, usual);
    const uint8_t *bytes = scan->buffer.bytes;
    const size_t first_slot = slot;
    const uint64_t base = scan->buffer.base;
    size_t from = scan->buffer.position;
    pk_batch *const batch = &scan->batch;
    pk_row *row = batch->rows + batch->count;
    pk_row *const end = batch->rows + batch->size;
    while (row < end && from < limit && slot + dialect.fields <= indexed->count) {
        const uint32_t *index = scan->index + slot;
        pk_fields fields;
        if (PK_UNLIKELY(!is_whole(bytes, index, &dialect))) {
            break;
        }
        read_fields(bytes, from, index, &dialect, quotes, &fields);
        if (PK_UNLIKELY(fields.song_escaped) &&
            !pk_batch_undo_quotes(batch, &fields.song)) {
            break;
        }
        if (PK_UNLIKELY(!pk_read_row(&fields, base + from, row))) {
            break;
        }
        from = (size_t)index[dialect.fields - 1] + 1;
        slot += dialect.fields;
        row++;
    }
    size_t taken = (size_t)(row - batch->rows) - batch->count;
    scan->lines += lines_of(scan, indexed, scan->buffer.position, from, taken);
    scan->buffer.position = from;
    batch->count += taken;
    batch->taken += taken;
    return slot - first_slot;
}

/* Takes records from the position on, as far as the index shows them whole and they start before
 * `limit`. `structure`: it is without quotes. `usual`: so is the order of the columns. */
static inline __attribute__((always_inline)) pk_status
take_indexed(pk_scan *scan, const pk_indexed *indexed, size_t limit, bool structure, bool usual)
{
    pk_buffer *buffer = &scan->buffer;
    const pk_dialect dialect = dialect_of(scan, usual);
    const size_t count = indexed->count;
    const bool quotes = indexed->quotes;
    const bool utf8 = scan->utf8;
    const uint64_t moves = buffer->moves;
    size_t slot = 0;
    while (buffer->position < limit) {
        if (structure && PK_LIKELY(utf8)) {
            slot += quotes ? take_whole(scan, indexed, slot, limit, usual, true)
                           : take_whole(scan, indexed, slot, limit, usual, false);
            pk_status status = scan->batch.count == scan->batch.size ? pk_batch_flush(&scan->batch) : PK_OK;
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
            PK_LIKELY(is_whole(bytes, index, &dialect))) {
            read_fields(bytes, from, index, &dialect, quotes, &record.fields);
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
        if (PK_UNLIKELY(!utf8) && valid) {
            valid = pk_is_utf8(bytes + from, record.next - from);
        }
        pk_status status = PK_OK;
        if (PK_LIKELY(valid)) {
            status = pk_batch_add(&scan->batch, &record.fields, buffer->base + from, &valid);
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
    scan->utf8 = indexed.ascii;
    if (!indexed.ascii && indexed.count > 0) { /* one look at all of it, not at each record */
        scan->utf8 = pk_index->is_utf8(bytes + from, scan->index[indexed.count - 1] - from);
    }
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
        status = take_indexed(scan, &indexed, limit, false, false);
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
    bool usual = dialect->fields == 3 && dialect->song == 0 && dialect->date == 1;
    pk_status status = usual ? take_indexed(scan, &indexed, limit, true, true)
                             : take_indexed(scan, &indexed, limit, true, false);
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
