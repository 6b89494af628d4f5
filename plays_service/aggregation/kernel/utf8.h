/* Whether bytes are UTF-8 as Python decodes it: no surrogates, nothing overlong. */
#ifndef PLAYS_KERNEL_UTF8_H
#define PLAYS_KERNEL_UTF8_H

#include "common.h"

bool pk_is_utf8(const uint8_t *text, size_t length);

#if defined(__x86_64__)
/* The same, for machines that have AVX2. */
bool pk_is_utf8_avx2(const uint8_t *text, size_t length);
#endif

#endif
