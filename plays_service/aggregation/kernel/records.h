/* One record at a time, from its bytes alone: all that the index does not show as it should be. */
#ifndef PLAYS_KERNEL_RECORDS_H
#define PLAYS_KERNEL_RECORDS_H

#include "scan.h"

/* Takes the record, or the empty line, at the buffer's position, which is before its end. Lines
 * are counted when a record is told to be bad exactly as far as the pure implementation does. */
pk_status pk_take_record(pk_scan *scan);

/* Reads on, where the rows that wait may lie in the buffer. */
pk_status pk_read_on(pk_scan *scan, size_t size);

#endif
