/* asan.h -- whether the address sanitizer is in this build (EQS_ASAN), and its marks of memory.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_ASAN_H
#define EQS_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define EQS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EQS_ASAN 1
#endif
#endif
#ifdef EQS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#endif
