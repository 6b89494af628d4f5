/* The fields of a record into a row; fields.py is the specification. */
#ifndef PLAYS_KERNEL_FIELDS_H
#define PLAYS_KERNEL_FIELDS_H

#include "common.h"
#include "dialect.h"
#include "table.h"
#include "values.h"

/* The fields of the three columns, without their quotes; `escaped` ones still have each quote
 * twice. */
typedef struct {
    pk_span song;
    pk_span date;
    pk_span plays;
    bool song_escaped;
    bool others_escaped; /* a date or number that holds a quote is bad */
} pk_fields;

static inline void
pk_keep_field(const pk_dialect *dialect, uint32_t number, pk_span field, bool escaped,
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

/* Makes the row of the fields, its song as it is written, its date a code, if they look well: whether
 * the song is UTF-8 and the date a day is left to be proved. False: they make none. */
static inline bool
pk_read_row(const pk_fields *fields, uint64_t first, pk_row *row)
{
    uint32_t date;
    bool valid = pk_code_date(fields->date, &date) && fields->song.start < fields->song.end &&
                 !fields->others_escaped && pk_parse_plays(fields->plays, &row->plays);
    row->song = fields->song.start;
    row->identity = pk_identity(date, (uint32_t)(fields->song.end - fields->song.start));
    row->first = first;
    return valid;
}

/* The date of such a row as YYYYMMDD; 0: it is no day. */
static inline uint32_t
pk_row_date(const pk_row *row)
{
    return pk_date_of_code(pk_identity_date(row->identity));
}

#endif
