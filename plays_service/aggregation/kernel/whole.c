#include "whole.h"

/* Functions that are not inlined: each has all registers to itself. */
#define LOOP static __attribute__((noinline)) size_t

/* Records whose columns may be in any order. */
LOOP
read_any(pk_scan *scan, const uint32_t *index, size_t most, bool quotes)
{
    const pk_dialect dialect = scan->dialect;
    const uint8_t *bytes = scan->buffer.bytes;
    const uint64_t base = scan->base + scan->buffer.base;
    size_t from = scan->buffer.position, count = 0;
    for (; count < most; count++, index += dialect.fields) {
        pk_fields fields;
        if (PK_UNLIKELY(!pk_is_whole(bytes, index, &dialect))) {
            break;
        }
        pk_read_fields(bytes, from, index, &dialect, quotes, &fields);
        if (PK_UNLIKELY(fields.song_escaped) &&
            !pk_batch_undo_quotes(&scan->batch, &fields.song)) {
            break;
        }
        if (PK_UNLIKELY(!pk_read_row(&fields, base + from, &scan->batch.rows[count]))) {
            break;
        }
        from = (size_t)index[dialect.fields - 1] + 1;
    }
    return count;
}

/* How a record of song, date and plays is written. Those that follow it usually are the same. */
typedef struct {
    size_t date;  /* 1: in quotes */
    size_t plays; /* the same */
    size_t crlf;  /* 1: CR LF */
} style;

static style
style_of(const pk_scan *scan, const uint32_t *index)
{
    const uint8_t *bytes = scan->buffer.bytes;
    return (style){
        .date = bytes[index[0] + 1] == '"',
        .plays = bytes[index[1] + 1] == '"',
        .crlf = scan->dialect.line_end == '\n' && bytes[index[2] - 1] == '\r',
    };
}

/* Where quotes may be in records that are read. */
typedef enum {
    NOWHERE,
    APART, /* in others: a record whose song is in quotes is not read */
    HERE,
} quotes_at;

/* Records of song, date and plays, in the style of the first: after the `count` that the batch has, up
 * to `most`; how many there are then. A date is compared together with what is around it. */
static inline __attribute__((always_inline)) size_t
read_usual(pk_scan *scan, const uint32_t *index, size_t count, size_t most, style is,
           quotes_at quotes)
{
    const uint8_t *const bytes = scan->buffer.bytes;
    const uint8_t *from =
        bytes + (count == 0 ? scan->buffer.position : (size_t)index[3 * count - 1] + 1);
    const uint64_t base = scan->base + scan->buffer.base - (uint64_t)(uintptr_t)bytes;
    const uint64_t delimiter = scan->dialect.delimiter, around = is.date ? '"' : delimiter;
    const uint64_t front_plain = 0x30302D3030303000ULL | around; /* ,YYYY-MM */
    const uint64_t back_plain = 0x0030302D30302D30ULL | around << 56; /* Y-MM-DD, */
    const uint64_t end = (uint64_t)scan->dialect.line_end << 8 | (is.crlf ? '\r' : 0);
    const uint64_t end_mask = is.crlf ? 0xFFFF : 0xFF00;
    pk_row *row = scan->batch.rows + count, *const last = scan->batch.rows + most;
    for (index += 3 * count; row < last; row++, index += 3) {
        const uint8_t *stop = bytes + index[0], *next = bytes + index[2] + 1;
        uint64_t front = pk_load64(stop + is.date) ^ front_plain;
        uint64_t back = pk_load64(stop + is.date + 4) ^ back_plain;
        uint64_t ends = (pk_load64(next - 8) >> 48 ^ end) & end_mask;
        uint64_t wrong = (front & 0xF0F0FFF0F0F0F0FFULL) | (back & 0xFFF0F0FFF0F0FFF0ULL) | ends;
        pk_span song = {from, stop};
        pk_span plays = {stop + 12 + 2 * is.date, next - 1 - is.crlf};
        if (quotes == APART) {
            wrong |= *from == '"';
        }
        if (quotes == HERE) {
            size_t quoted = *from == '"'; /* added, not asked: it may come and go */
            song = (pk_span){from + quoted, stop - quoted};
            wrong |= (*stop ^ delimiter) | (plays.start[-1] ^ delimiter);
            wrong |= is.plays & (*plays.start != '"');
            plays = (pk_span){plays.start + is.plays, plays.end - is.plays};
        }
        if (PK_UNLIKELY(wrong != 0) || PK_UNLIKELY(song.start >= song.end)) {
            break;
        }
        if (quotes == HERE && PK_UNLIKELY(pk_holds_quote(song)) &&
            !pk_batch_undo_quotes(&scan->batch, &song)) {
            break;
        }
        PK_ASSERT(index[1] == index[0] + 11 + 2 * is.date);
        uint32_t date = pk_date_code(front >> 8, back >> 40);
        row->song = song.start;
        row->identity = pk_identity(date, (uint32_t)(song.end - song.start));
        row->first = base + (uint64_t)(uintptr_t)from;
        if (PK_UNLIKELY(!pk_parse_plays(plays, &row->plays))) {
            break;
        }
        from = next;
    }
    return (size_t)(row - scan->batch.rows);
}

LOOP
read_plain(pk_scan *scan, const uint32_t *index, size_t most, style is)
{
    return read_usual(scan, index, 0, most, (style){.crlf = is.crlf}, NOWHERE);
}

LOOP
read_unquoted(pk_scan *scan, const uint32_t *index, size_t count, size_t most, style is)
{
    return read_usual(scan, index, count, most, (style){.crlf = is.crlf}, APART);
}

LOOP
read_quoted(pk_scan *scan, const uint32_t *index, size_t count, size_t most, style is)
{
    return read_usual(scan, index, count, most, is, HERE);
}

/* Records of which few have their song in quotes: those between take less when read for themselves. */
static size_t
read_mixed(pk_scan *scan, const uint32_t *index, size_t most, style is)
{
    size_t count = read_unquoted(scan, index, 0, most, is), quoted = 0;
    while (count < most && read_quoted(scan, index, count, count + 1, is) > count) {
        quoted++;
        count = read_unquoted(scan, index, count + 1, most, is);
    }
    scan->often_quoted = quoted * 8 > most;
    return count;
}

size_t
pk_read_whole(pk_scan *scan, const uint32_t *index, size_t most, bool quotes)
{
    const pk_dialect *dialect = &scan->dialect;
    if (dialect->fields != 3 || dialect->song != 0 || dialect->date != 1) {
        return read_any(scan, index, most, quotes);
    }
    if (most == 0) {
        return 0;
    }
    style is = style_of(scan, index);
    if (!quotes) {
        return read_plain(scan, index, most, is);
    }
    if (is.date || is.plays || scan->often_quoted) {
        return read_quoted(scan, index, 0, most, is);
    }
    return read_mixed(scan, index, most, is);
}
