/* Known work for the tracer's tests: `test_native.py` has the sums once more. */
#ifndef WORK_H
#define WORK_H
#include <stddef.h>

/* 800,537 bytes in 8 blocks, none of which stays; at most 650,537 at once. */
void work_mix(void);
/* The same in threads without a Python thread state, which are gone when it returns. */
void work_mix_in_threads(int threads);
/* 100,000 blocks, 64 to 4,159 bytes each, in turns freed and grown; none stays. */
void work_churn(void);
void work_churn_in_threads(int threads);
/* Blocks that stay until `work_drop`; 0 where there was no room. */
int work_keep(const char *how, size_t size);
/* The newest kept block grown or shrunk. */
int work_resize(size_t size);
void work_drop(void);

/* 64 pages; then its middle 16 given back; then the last 32 grown to 96 (moved, it may be); then all given back. */
int work_map(void);
int work_unmap_middle(void);
int work_remap_end(void);
int work_unmap(void);
/* 16 pages of 64 mapped anew over themselves. */
int work_map_over(void);
#endif
