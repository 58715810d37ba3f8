#define _GNU_SOURCE
#include "work.h"
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void work_mix(void)
{
    char *grows = malloc(100000);           /* 100,000 */
    char *zeroes = calloc(100, 1000);       /* 200,000 */
    grows = realloc(grows, 300000);         /* 400,000 */
    void *posix = NULL;
    if (posix_memalign(&posix, 64, 70000))  /* 470,000 */
        abort();
    void *aligned = aligned_alloc(4096, 8192);  /* 478,192 */
    void *old = memalign(32, 12345);        /* 490,537 */
    void *array = reallocarray(NULL, 160, 1000);  /* 650,537 */
    memset(grows, 1, 300000);
    memset(zeroes, 1, 100000);
    grows = realloc(grows, 50000);          /* 400,537 */
    free(array);
    free(old);
    free(aligned);
    free(posix);
    free(zeroes);
    free(grows);
    free(NULL);
}

void work_churn(void)
{
    enum { SLOTS = 64 };
    char *held[SLOTS] = {0};
    unsigned seed = 1;
    for (int turn = 0; turn < 100000; turn++) {
        int slot = turn % SLOTS;
        seed = seed * 1103515245u + 12345u;
        size_t size = 64 + (seed >> 16) % 4096;
        if (turn / SLOTS % 2) {
            free(held[slot]);
            held[slot] = malloc(size);
        } else {
            held[slot] = realloc(held[slot], size);
        }
        held[slot][0] = held[slot][size - 1] = 1;
    }
    for (int slot = 0; slot < SLOTS; slot++)
        free(held[slot]);
}

static void *thread(void *work)
{
    (*(void (**)(void))work)();
    return NULL;
}

static void in_threads(void (*work)(void), int threads)
{
    pthread_t started[64];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&started[i], NULL, thread, &work))
            abort();
    for (int i = 0; i < threads; i++)
        pthread_join(started[i], NULL);
}

void work_mix_in_threads(int threads) { in_threads(work_mix, threads); }
void work_churn_in_threads(int threads) { in_threads(work_churn, threads); }

static void *kept[64];
static int count;

int work_keep(const char *how, size_t size)
{
    void *block = NULL;
    if (!strcmp(how, "malloc"))
        block = malloc(size);
    else if (!strcmp(how, "calloc"))
        block = calloc(1, size);
    else if (!strcmp(how, "posix_memalign"))
        block = posix_memalign(&block, 4096, size) ? NULL : block;
    else if (!strcmp(how, "aligned_alloc"))
        block = aligned_alloc(64, size);
    else if (!strcmp(how, "memalign"))
        block = memalign(64, size);
    else if (!strcmp(how, "realloc"))
        block = realloc(NULL, size);
    else if (!strcmp(how, "reallocarray"))
        block = reallocarray(NULL, 1, size);
    else if (!strcmp(how, "strdup")) {
        /* The C library's own call: a text of `size` bytes with its end. */
        char *text = alloca(size);
        memset(text, 'x', size - 1);
        text[size - 1] = 0;
        block = strdup(text);
    }
    if (!block)
        return 0;
    kept[count++] = block;
    return 1;
}

int work_resize(size_t size)
{
    void *block = realloc(kept[count - 1], size);
    if (block)
        kept[count - 1] = block;
    return block != NULL;
}

void work_drop(void)
{
    while (count)
        free(kept[--count]);
}

enum { PAGE = 4096 };
static char *map, *end;

int work_map(void)
{
    map = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return map != MAP_FAILED;
}

int work_unmap_middle(void) { return !munmap(map + 16 * PAGE, 16 * PAGE); }

int work_remap_end(void)
{
    end = mremap(map + 32 * PAGE, 32 * PAGE, 96 * PAGE, MREMAP_MAYMOVE);
    return end != MAP_FAILED;
}

int work_unmap(void) { return !munmap(map, 16 * PAGE) && !munmap(end, 96 * PAGE); }

int work_map_over(void)
{
    char *over = mmap(map + 16 * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return over == map + 16 * PAGE;
}
