/* Groups of a table as a result. */
#ifndef PLAYS_KERNEL_TABLE_ROWS_H
#define PLAYS_KERNEL_TABLE_ROWS_H

#include "common.h"
#include "order.h"
#include "table.h"

/* A result that is to be. */
typedef struct {
    const char *path;
    const uint8_t *header;
    size_t header_size;
} pk_new_result;

/* Writes the header, then a row for each group, in the order in which `order` has their numbers, or
 * as they lie in the table where it is NULL. */
pk_status pk_write_result(const pk_table *table, const pk_placed *order,
                          const pk_new_result *result);

#endif
