/* All memory of the kernel goes through here, so that a test can make any allocation fail. */
#ifndef PLAYS_KERNEL_MEMORY_H
#define PLAYS_KERNEL_MEMORY_H

#include "common.h"

/* Aligned to 64 bytes, not initialised; NULL where there is none. */
void *pk_allocate(size_t size);
/* The same memory with its first min(old_size, size) bytes kept; on NULL the old one stays. */
void *pk_resize(void *memory, size_t old_size, size_t size);
/* `size` is the one it was allocated or resized with; NULL is fine. errno stays as it is. */
void pk_release(void *memory, size_t size);

/* Memory that only grows, and forgets what is in it then. */
typedef struct {
    uint8_t *bytes;
    size_t size;
} pk_space;

/* Makes it `size` bytes at least. */
pk_status pk_space_for(pk_space *space, size_t size);
void pk_space_free(pk_space *space);

/* Slabs: pieces of one huge page. Some are kept when given back, because fresh pages cost more
 * than all the work that is done in them. */
#define PK_SLAB_SIZE ((size_t)2 << 20)
void *pk_take_slab(void);
void pk_give_slab(void *slab); /* errno stays as it is */

/* Makes the allocation after `count` others fail, once; negative: none. For tests. */
void pk_fail_allocation(long count);
/* Bytes allocated and not yet released, slabs that are kept not counted. */
size_t pk_allocated(void);

#endif
