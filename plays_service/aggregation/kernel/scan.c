#include "scan.h"

#include "index.h"
#include "memory.h"
#include "utf8.h"
#include "values.h"

/* Bytes that are read and indexed at once: with the index they fit a core's own cache. */
#ifndef WINDOW
#define WINDOW ((size_t)128 << 10)
#endif
_Static_assert(WINDOW <= PK_RECORD_LIMIT, "what is in one window is never too long");
/* Bytes that are indexed with their quotes at first, where these are not as they should be. */
#define ODD_STRETCH (WINDOW / 128 + 8)
/* Of the scratch, once it is needed: a batch of short songs, which is not cut short for it. */
#define SCRATCH_LEAST (2 * PK_PADDING * (size_t)PK_BATCH)
/* A record's bytes with the longest line end. */
#define LONGEST (PK_RECORD_LIMIT + 2)

pk_status
pk_scan_open(pk_scan *scan, int descriptor, uint64_t start, uint64_t end,
             const pk_dialect *dialect)
{
    memset(scan, 0, sizeof *scan);
    scan->dialect = *dialect;
    scan->end = end;
    scan->batch = PK_BATCH;
    scan->odd_stretch = ODD_STRETCH;
    size_t size = end - start < WINDOW ? (size_t)(end - start) : WINDOW;
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
    pk_release(scan->scratch, scan->scratch_size);
    scan->index = NULL;
    scan->scratch = NULL;
}

static pk_status
flush(pk_scan *scan)
{
    pk_status status = PK_OK;
    if (scan->pending > 0) {
        status = scan->sink(scan->context, scan->rows, scan->pending);
    }
    scan->pending = 0;
    scan->scratch_used = 0;
    return status;
}

/* Reads on, where the rows that wait may lie in the buffer. */
static pk_status
read_more(pk_scan *scan, size_t size)
{
    pk_status status = flush(scan);
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

static const uint8_t *
find_byte(const uint8_t *from, const uint8_t *end, uint8_t byte)
{
    return from < end ? memchr(from, byte, (size_t)(end - from)) : NULL;
}

/* ---- From fields to rows ---- */

/* The fields of the three columns, without their quotes; `escaped` ones still have each quote
 * twice. */
typedef struct {
    pk_span song;
    pk_span date;
    pk_span plays;
    bool song_escaped;
    bool others_escaped; /* a date or number that holds a quote is bad */
} pk_fields;

/* Bytes of the scratch that a song takes at most. */
static inline size_t
scratch_for(pk_span song)
{
    return (size_t)(song.end - song.start) + PK_PADDING;
}

static inline bool
is_room_in_scratch(const pk_scan *scan, size_t size)
{
    return scan->scratch_size - scan->scratch_used >= size;
}

static pk_status
room_in_scratch(pk_scan *scan, size_t size)
{
    if (is_room_in_scratch(scan, size)) {
        return PK_OK;
    }
    pk_status status = flush(scan);
    if (status != PK_OK || scan->scratch_size >= size) {
        return status;
    }
    size = size < SCRATCH_LEAST ? SCRATCH_LEAST : 2 * size;
    uint8_t *scratch = pk_allocate(size);
    if (scratch == NULL) {
        return PK_NO_MEMORY;
    }
    pk_release(scan->scratch, scan->scratch_size);
    scan->scratch = scratch;
    scan->scratch_size = size;
    return PK_OK;
}

/* Writes the song to the scratch, which has room for it, with each quote once. */
static void
undo_quotes(pk_scan *scan, pk_span *song)
{
    uint8_t *to = scan->scratch + scan->scratch_used;
    const uint8_t *from = song->start, *quote;
    const uint8_t *const undone = to;
    while ((quote = find_byte(from, song->end, '"')) != NULL) {
        size_t size = (size_t)(quote + 1 - from);
        pk_copy(to, from, size);
        to += size;
        from = quote + 2; /* behind the other one of two */
    }
    pk_copy(to, from, (size_t)(song->end - from));
    to += song->end - from;
    memset(to, 0, PK_PADDING);
    scan->scratch_used += (size_t)(to - undone) + PK_PADDING;
    *song = (pk_span){undone, to};
}

/* Makes the row of the fields, its song as it is written. False: they make none. */
static inline bool
read_row(const pk_fields *fields, uint64_t first, pk_row *row)
{
    uint32_t date = pk_parse_date(fields->date);
    int64_t plays = 0;
    bool valid = fields->song.start < fields->song.end && date != 0 && !fields->others_escaped &&
                 pk_parse_plays(fields->plays, &plays);
    *row = (pk_row){
        .song = fields->song.start,
        .length = (uint32_t)(fields->song.end - fields->song.start),
        .date = date,
        .plays = plays,
        .first = first,
    };
    return valid;
}

/* Adds the row that the fields make. False in `*valid`: they make none. */
static pk_status
add_row(pk_scan *scan, pk_fields *fields, uint64_t first, bool *valid)
{
    if (fields->song_escaped) {
        pk_status status = room_in_scratch(scan, scratch_for(fields->song));
        if (status != PK_OK) {
            return status;
        }
        undo_quotes(scan, &fields->song);
    }
    *valid = read_row(fields, first, &scan->rows[scan->pending]);
    if (!*valid) {
        return PK_OK;
    }
    scan->pending++;
    scan->good++;
    return scan->pending >= scan->batch ? flush(scan) : PK_OK;
}

static inline void
keep_field(const pk_dialect *dialect, uint32_t number, pk_span field, bool escaped,
           pk_fields *fields)
{
    if (number == dialect->song) {
        fields->song = field;
        fields->song_escaped = escaped;
    } else if (number == dialect->date) {
        fields->date = field;
        fields->others_escaped |= escaped;
    } else if (number == dialect->plays) {
        fields->plays = field;
        fields->others_escaped |= escaped;
    }
}

/* ---- One record at a time: all that is not plain ---- */

/* The quote of the first field that starts with one after a delimiter at `from` or later. */
static const uint8_t *
find_opening(const uint8_t *from, const uint8_t *end, uint8_t delimiter)
{
    const uint8_t *quote = from;
    while ((quote = find_byte(quote + 1, end, '"')) != NULL) {
        if (quote[-1] == delimiter) {
            return quote;
        }
    }
    return NULL;
}

typedef enum { CLOSED, STILL_OPEN, OPENED } quote_end;

/* Whether a quote is open at the end of the line [from, end), `open` being so at its start; and
 * whether it was opened on this line. */
static quote_end
quote_at_end(const uint8_t *from, const uint8_t *end, uint8_t delimiter, bool open)
{
    const uint8_t *p = from;
    quote_end state = STILL_OPEN;
    if (!open) {
        const uint8_t *opening = *from == '"' ? from : find_opening(from, end, delimiter);
        if (opening == NULL) {
            return CLOSED;
        }
        p = opening + 1;
        state = OPENED;
    }
    while ((p = find_byte(p, end, '"')) != NULL) {
        if (p + 1 < end && p[1] == '"') {
            p += 2;
            continue;
        }
        const uint8_t *opening = find_opening(p + 1, end, delimiter);
        if (opening == NULL) {
            return CLOSED;
        }
        p = opening + 1;
        state = OPENED;
    }
    return state;
}

/* Reads a quoted field from its first content byte; its end is the closing quote. */
static bool
read_quoted(const uint8_t *from, const uint8_t *end, pk_span *field, bool *escaped)
{
    const uint8_t *p = from;
    *escaped = false;
    while ((p = find_byte(p, end, '"')) != NULL) {
        if (p + 1 == end || p[1] != '"') {
            *field = (pk_span){from, p};
            return true;
        }
        *escaped = true;
        p += 2;
    }
    return false;
}

/* Splits a whole record; false where its quotes or the number of its fields are wrong. */
static bool
split_record(const pk_dialect *dialect, const uint8_t *from, const uint8_t *end,
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
            const uint8_t *delimiter = find_byte(p, end, dialect->delimiter);
            field = (pk_span){p, delimiter == NULL ? end : delimiter};
            p = field.end;
        }
        keep_field(dialect, number, field, escaped, fields);
        if (p == end) {
            return number + 1 == dialect->fields;
        }
        p++;
    }
}

/* Takes the record of `size` bytes, without its line end, at the buffer's position. */
static pk_status
take_text(pk_scan *scan, size_t size, bool *valid)
{
    const uint8_t *text = scan->buffer.bytes + scan->buffer.position;
    pk_fields fields = {0};
    *valid = pk_is_utf8(text, size) && split_record(&scan->dialect, text, text + size, &fields);
    if (!*valid) {
        return PK_OK;
    }
    return add_row(scan, &fields, scan->buffer.base + scan->buffer.position, valid);
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
        const uint8_t *found = find_byte(text + searched, text + bound, scan->dialect.line_end);
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
        pk_status status = read_more(scan, WINDOW);
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
        const uint8_t *found = find_byte(text, end, scan->dialect.line_end);
        buffer->position = found ? (size_t)(found - buffer->bytes) + 1 : buffer->length;
        if (found != NULL || buffer->at_end) {
            return PK_OK;
        }
        pk_status status = read_more(scan, WINDOW);
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
    bool open = quote_at_end(text, text + *stop, delimiter, false) != CLOSED;
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
        quote_end state = quote_at_end(text + from, text + *stop, delimiter, true);
        if (state == OPENED) {
            bad->opened = scan->lines + *lines;
        }
        open = state != CLOSED;
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

/* Takes the record, or the empty line, at the buffer's position, which is before its end. Lines
 * are counted when a record is told to be bad exactly as far as the pure implementation does. */
static pk_status
take_record(pk_scan *scan)
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
    } else if (find_byte(text, text + stop, '"') != NULL) {
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

/* ---- Records found through the index ---- */

typedef enum { WHOLE, EMPTY, CUT_SHORT, ODD } record_kind;

/* A record as the index shows it. */
typedef struct {
    pk_fields fields;
    size_t next; /* position of the next record */
    size_t slot; /* in the index */
    uint64_t lines;
} indexed_record;

/* Reads a record at `from` whose first special byte is at index[slot]. ODD records are for
 * take_record: they are bad, or rare. */
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
        keep_field(dialect, number, field, escaped, &record->fields);
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

/* Takes whole and good records, from the position on, as many as the batch has room for: nearly
 * all records, in a loop that holds nothing else. How many positions it used. */
static inline __attribute__((always_inline)) size_t
take_whole(pk_scan *scan, const pk_indexed *indexed, size_t slot, size_t limit, bool usual)
{
    const pk_dialect dialect = dialect_of(scan, usual);
    const uint8_t *bytes = scan->buffer.bytes;
    const size_t first_slot = slot;
    const uint64_t base = scan->buffer.base;
    size_t from = scan->buffer.position;
    pk_row *row = scan->rows + scan->pending;
    pk_row *const end = scan->rows + scan->batch;
    while (row < end && from < limit && slot + dialect.fields <= indexed->count) {
        const uint32_t *index = scan->index + slot;
        pk_fields fields;
        if (PK_UNLIKELY(!is_whole(bytes, index, &dialect))) {
            break;
        }
        read_fields(bytes, from, index, &dialect, indexed->quotes, &fields);
        if (PK_UNLIKELY(fields.song_escaped)) {
            if (!is_room_in_scratch(scan, scratch_for(fields.song))) {
                break;
            }
            undo_quotes(scan, &fields.song);
        }
        if (PK_UNLIKELY(!read_row(&fields, base + from, row))) {
            break;
        }
        from = (size_t)index[dialect.fields - 1] + 1;
        slot += dialect.fields;
        row++;
    }
    size_t taken = (size_t)(row - scan->rows) - scan->pending;
    scan->buffer.position = from;
    scan->pending += taken;
    scan->good += taken;
    scan->lines += taken;
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
            slot += take_whole(scan, indexed, slot, limit, usual);
            pk_status status = scan->pending == scan->batch ? flush(scan) : PK_OK;
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
            record.lines = 1;
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
            status = add_row(scan, &record.fields, buffer->base + from, &valid);
        }
        if (PK_LIKELY(valid || kind == EMPTY)) {
            buffer->position = record.next;
            scan->lines += record.lines;
            slot = record.slot;
        } else {
            status = take_record(scan);
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

/* Takes what it can of the records from the position to `end` that start before `limit`. */
static pk_status
take_window(pk_scan *scan, size_t end, size_t limit)
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
        scan->odd_stretch = ODD_STRETCH;
    } else if (scan->odd_stretch < WINDOW / 4) { /* nearly all is odd: look less often */
        scan->odd_stretch *= 2;
    }
    return buffer->position < limit ? take_odd(scan, end, limit) : PK_OK;
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
    scan->sink = sink;
    scan->context = context;
    pk_status status = PK_OK;
    bool stuck = false; /* on a record that the index does not show whole */
    while (status == PK_OK) {
        size_t live = buffer->length - buffer->position;
        size_t more = unread(scan, window);
        if (more > 0 && (stuck || live <= window / 2)) {
            status = read_more(scan, more);
            stuck = false;
            continue;
        }
        uint64_t offset = buffer->base + buffer->position;
        if (live == 0 || offset >= scan->end) {
            break;
        }
        if (stuck) {
            status = take_record(scan);
            stuck = false;
            continue;
        }
        size_t before = buffer->position;
        uint64_t moves = buffer->moves;
        size_t indexed = live < window ? live : window;
        size_t limit = scan->end - offset < live ? (size_t)(scan->end - offset) : live;
        limit = before + (limit < indexed ? limit : indexed);
        status = take_window(scan, before + indexed, limit);
        stuck = buffer->moves == moves && buffer->position == before;
    }
    pk_status flushed = status == PK_OK ? flush(scan) : PK_OK;
    return status == PK_OK ? flushed : status;
}

/* ---- Where to begin ---- */

pk_status
pk_scan_find_line(pk_scan *scan)
{
    pk_buffer *buffer = &scan->buffer;
    while (buffer->base + buffer->position < scan->end) {
        const uint8_t *text = buffer->bytes + buffer->position;
        uint64_t left = scan->end - (buffer->base + buffer->position);
        size_t live = buffer->length - buffer->position;
        const uint8_t *end = text + (live < left ? live : (size_t)left);
        const uint8_t *found = find_byte(text, end, scan->dialect.line_end);
        buffer->position = (size_t)((found == NULL ? end : found + 1) - buffer->bytes);
        if (found != NULL || buffer->at_end) {
            return PK_OK;
        }
        size_t more = unread(scan, WINDOW);
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
