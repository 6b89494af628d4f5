/* How a CSV is written, as its header shows; dialect.py is the specification. */
#ifndef PLAYS_KERNEL_DIALECT_H
#define PLAYS_KERNEL_DIALECT_H

#include "common.h"

typedef struct {
    uint8_t delimiter;
    uint8_t line_end; /* that of CRLF is LF */
    uint32_t fields;
    uint32_t song; /* numbers of the three columns, from 0 */
    uint32_t date;
    uint32_t plays;
} pk_dialect;

#endif
