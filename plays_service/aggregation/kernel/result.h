/* The rows of a result, read back; result_rows.py is the specification. */
#ifndef PLAYS_KERNEL_RESULT_H
#define PLAYS_KERNEL_RESULT_H

#include "buffer.h"
#include "common.h"
#include "memory.h"

typedef struct {
    const uint8_t *song; /* padded; gone with the next row */
    uint32_t length;     /* 1..PK_RECORD_LIMIT */
    uint32_t date;       /* YYYYMMDD */
    pk_int128 plays;
    uint64_t offset; /* of the row in the result */
} pk_result_row;

typedef struct {
    pk_buffer buffer;
    pk_space song; /* one that had quotes in it */
} pk_result;

/* Reads the rows from offset `start` on, the header's end. */
pk_status pk_result_open(pk_result *result, int descriptor, uint64_t start);
void pk_result_close(pk_result *result);
/* PK_STOPPED after the last row; PK_DAMAGED at what is no row. */
pk_status pk_result_next(pk_result *result, pk_result_row *row);

#endif
