/* A result as JSON lines; json_lines.py is the specification. */
#ifndef PLAYS_KERNEL_JSON_H
#define PLAYS_KERNEL_JSON_H

#include "common.h"

typedef struct {
    uint8_t *bytes;
    size_t size; /* of the allocation */
    size_t used;
    uint64_t end; /* of the last row in the result */
} pk_json;

/* Writes the rows that begin in about `size` bytes from `start` on. Must be closed whatever comes
 * out. */
pk_status pk_json_lines(int result, uint64_t start, uint64_t size, pk_json *json);
void pk_json_close(pk_json *json);

#endif
