/* Whether the keys of a table come back later in a stretch of the file, told from a few places. */
#ifndef PLAYS_KERNEL_AHEAD_H
#define PLAYS_KERNEL_AHEAD_H

#include "scan.h"
#include "table.h"

/* Looks at records between the scan's position and its end. `*back`: enough of them have keys of the
 * table that most of what is to come will have found its key before. */
pk_status pk_look_ahead(const pk_scan *scan, const pk_table *table, const pk_hasher *hasher,
                        bool *back);

#endif
