/* Groups of a table as blocks of a partial. */
#ifndef PLAYS_KERNEL_PARTIAL_H
#define PLAYS_KERNEL_PARTIAL_H

#include "groupfile.h"
#include "table.h"

/* Writes `count` entries of the table as one block: those that `order` numbers, in that order, or
 * the first ones where it is NULL. They must all be of the partition. */
pk_status pk_write_partition(const pk_table *table, uint32_t partition, const uint32_t *order,
                             size_t count, pk_writer *writer);

#endif
