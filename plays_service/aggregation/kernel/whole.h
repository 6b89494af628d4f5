/* Records that an index of the structure shows whole: their fields, and in short loops their rows. */
#ifndef PLAYS_KERNEL_WHOLE_H
#define PLAYS_KERNEL_WHOLE_H

#include "scan.h"

/* Whether the next positions, of the structure, are those of a record as the header has it. */
static inline bool
pk_is_whole(const uint8_t *bytes, const uint32_t *index, const pk_dialect *dialect)
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
pk_read_field(const uint8_t *bytes, size_t from, const uint32_t *index, const pk_dialect *dialect,
              uint32_t number, bool quotes)
{
    size_t start = number == 0 ? from : (size_t)index[number - 1] + 1;
    size_t end = index[number];
    end -= number + 1 == dialect->fields && dialect->line_end == '\n' && bytes[end - 1] == '\r';
    size_t quoted = quotes && bytes[start] == '"'; /* added, not asked: it may come and go */
    return (pk_span){bytes + start + quoted, bytes + end - quoted};
}

static inline void
pk_read_fields(const uint8_t *bytes, size_t from, const uint32_t *index, const pk_dialect *dialect,
               bool quotes, pk_fields *fields)
{
    *fields = (pk_fields){
        .song = pk_read_field(bytes, from, index, dialect, dialect->song, quotes),
        .date = pk_read_field(bytes, from, index, dialect, dialect->date, quotes),
        .plays = pk_read_field(bytes, from, index, dialect, dialect->plays, quotes),
    };
    if (quotes) {
        /* one that starts without a quote holds none */
        fields->song_escaped = pk_holds_quote(fields->song);
    }
}

/* Reads rows into the batch, which must be empty, from whole records that look well, the first at the
 * position of the buffer: up to `most`, how many. `index`: what shows them. `quotes`: some may be in
 * it. */
size_t pk_read_whole(pk_scan *scan, const uint32_t *index, size_t most, bool quotes);

#endif
