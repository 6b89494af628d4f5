/* Memory in whole pages, straight from the system. */
#ifndef PLAYS_KERNEL_PAGES_H
#define PLAYS_KERNEL_PAGES_H

#include "common.h"

/* From this size on, pages are worth their system calls: they go back when they are released, and on
 * Linux grow without being copied. */
#ifdef PK_DEBUG /* all from the heap, where a sanitizer sees each byte beyond the end */
#define PK_PAGES_LEAST SIZE_MAX
#else
#define PK_PAGES_LEAST ((size_t)128 << 10)
#endif

/* The size that is really taken for `size` bytes. */
size_t pk_pages_size(size_t size);
/* Pages of a size that pk_pages_size gave, not initialised; NULL where there are none. */
void *pk_pages_take(size_t size);
void pk_pages_give(void *pages, size_t size);
/* The same pages with their first bytes kept; NULL, and the old ones stay, where there are none. */
void *pk_pages_resize(void *pages, size_t old_size, size_t size);
/* Gives the system back what is kept for the next call; false: it was nothing. */
bool pk_pages_let_go(void);

#endif
