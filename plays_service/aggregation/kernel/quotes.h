/* The quotes of RFC 4180 in bytes that are there; records.py is the specification. */
#ifndef PLAYS_KERNEL_QUOTES_H
#define PLAYS_KERNEL_QUOTES_H

#include "fields.h"

typedef enum { PK_CLOSED, PK_STILL_OPEN, PK_OPENED } pk_quote_end;

/* Whether a quote is open at the end of the line [from, end), `open` being so at its start; and
 * whether it was opened on this line. */
pk_quote_end pk_quote_at_end(const uint8_t *from, const uint8_t *end, uint8_t delimiter,
                             bool open);

/* Splits a whole record; false where its quotes or the number of its fields are wrong. */
bool pk_split_record(const pk_dialect *dialect, const uint8_t *from, const uint8_t *end,
                     pk_fields *fields);

#endif
