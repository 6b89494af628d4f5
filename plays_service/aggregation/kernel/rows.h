/* Rows of the result; rows.py is the specification. */
#ifndef PLAYS_KERNEL_ROWS_H
#define PLAYS_KERNEL_ROWS_H

#include "common.h"

/* Bytes that a row may take besides its song written with every byte doubled: two quotes, two
 * commas, date, 40 characters of total, line end. */
#define PK_ROW_EXTRA 64

/* Writes a row of the result at `out` and returns its end. `song` is padded; `out` must have room
 * for 2 * length + PK_ROW_EXTRA + PK_PADDING. */
uint8_t *pk_write_row(uint8_t *out, const uint8_t *song, uint32_t length, uint32_t date,
                      pk_int128 total);

/* The date (YYYYMMDD) as YYYY-MM-DD, the total in digits, at `out`; both return their end. */
uint8_t *pk_write_date(uint8_t *out, uint32_t date);
uint8_t *pk_write_total(uint8_t *out, pk_int128 total);

#endif
