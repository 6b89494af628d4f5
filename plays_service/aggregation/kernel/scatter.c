#include "scatter.h"

#include "memory.h"

/* Small enough that a chunk for each of many buckets is little memory, large enough that rows are
 * written and read in long stretches. */
#define CHUNK_SIZE ((size_t)8 << 10)
#define CHUNKS_PER_SLAB (PK_SLAB_SIZE / CHUNK_SIZE)

struct pk_chunk {
    pk_chunk *next;     /* the one filled after this one; of oversize ones also see `other` */
    pk_chunk *other;    /* oversize: the next of all these */
    size_t size;        /* oversize: of the allocation */
    uint8_t *row_end;   /* end of the rows, once the chunk is no longer the newest */
    uint8_t rows[];
};

#define CHUNK_ROOM (CHUNK_SIZE - sizeof(pk_chunk) - PK_PADDING)

void
pk_scatter_init(pk_scatter *scatter)
{
    memset(scatter, 0, sizeof *scatter);
}

static void
release_oversize(pk_scatter *scatter)
{
    while (scatter->oversize != NULL) {
        pk_chunk *other = scatter->oversize->other;
        pk_release(scatter->oversize, scatter->oversize->size);
        scatter->oversize = other;
    }
}

void
pk_scatter_free(pk_scatter *scatter)
{
    release_oversize(scatter);
    for (size_t i = 0; i < scatter->slab_count; i++) {
        pk_give_slab(scatter->slabs[i]);
    }
    pk_release(scatter->slabs, scatter->slab_capacity * sizeof *scatter->slabs);
    pk_release(scatter->buckets, scatter->count * sizeof *scatter->buckets);
    pk_scatter_init(scatter);
}

pk_status
pk_scatter_reserve(pk_scatter *scatter, size_t count)
{
    if (count <= scatter->count) {
        return PK_OK;
    }
    size_t old = scatter->count * sizeof *scatter->buckets;
    size_t size = count * sizeof *scatter->buckets;
    pk_bucket *buckets = pk_resize(scatter->buckets, old, size);
    if (buckets == NULL) {
        return PK_NO_MEMORY;
    }
    memset((uint8_t *)buckets + old, 0, size - old);
    scatter->buckets = buckets;
    scatter->count = count;
    return PK_OK;
}

static pk_status
add_slab(pk_scatter *scatter)
{
    if (scatter->slab_count == scatter->slab_capacity) {
        size_t capacity = scatter->slab_capacity ? 2 * scatter->slab_capacity : 16;
        void **slabs = pk_resize(scatter->slabs, scatter->slab_capacity * sizeof *slabs,
                                 capacity * sizeof *slabs);
        if (slabs == NULL) {
            return PK_NO_MEMORY;
        }
        scatter->slabs = slabs;
        scatter->slab_capacity = capacity;
    }
    void *slab = pk_take_slab();
    if (slab == NULL) {
        return PK_NO_MEMORY;
    }
    scatter->slabs[scatter->slab_count++] = slab;
    scatter->slab_used = 0;
    return PK_OK;
}

static pk_chunk *
usual_chunk(pk_scatter *scatter)
{
    if (scatter->slab_count == 0 || scatter->slab_used == CHUNKS_PER_SLAB) {
        if (add_slab(scatter) != PK_OK) {
            return NULL;
        }
    }
    uint8_t *slab = scatter->slabs[scatter->slab_count - 1];
    return (pk_chunk *)(void *)(slab + CHUNK_SIZE * scatter->slab_used++);
}

static pk_chunk *
oversize_chunk(pk_scatter *scatter, size_t room)
{
    size_t size = sizeof(pk_chunk) + room + PK_PADDING;
    pk_chunk *chunk = pk_allocate(size);
    if (chunk != NULL) {
        chunk->size = size;
        chunk->other = scatter->oversize;
        scatter->oversize = chunk;
    }
    return chunk;
}

pk_status
pk_scatter_extend(pk_scatter *scatter, pk_bucket *bucket, size_t length)
{
    size_t room = PK_ROW_HEAD + length;
    bool usual = room <= CHUNK_ROOM;
    pk_chunk *chunk = usual ? usual_chunk(scatter) : oversize_chunk(scatter, room);
    if (chunk == NULL) {
        return PK_NO_MEMORY;
    }
    chunk->next = NULL;
    if (bucket->newest != NULL) {
        bucket->newest->row_end = bucket->cursor;
        bucket->newest->next = chunk;
    } else {
        bucket->oldest = chunk;
    }
    bucket->newest = chunk;
    bucket->cursor = chunk->rows;
    bucket->end = chunk->rows + (usual ? CHUNK_ROOM : room);
    return PK_OK;
}

typedef struct {
    uint64_t first;
    int64_t total;
    uint32_t date;
    uint32_t length;
} row_head;

static inline row_head
read_head(const uint8_t *row)
{
    row_head head;
    memcpy(&head, row, sizeof head);
    return head;
}

static pk_block_shape
shape_of(const pk_bucket *bucket)
{
    pk_block_shape shape = {0};
    for (const pk_chunk *chunk = bucket->oldest; chunk != NULL; chunk = chunk->next) {
        for (const uint8_t *row = chunk->rows; row < chunk->row_end;) {
            row_head head = read_head(row);
            pk_shape_add(&shape, head.first, head.date, head.total, head.length);
            row += PK_ROW_HEAD + head.length;
        }
    }
    return shape;
}

static pk_status
write_bucket(uint32_t number, pk_bucket *bucket, pk_writer *writer)
{
    bucket->newest->row_end = bucket->cursor;
    pk_block_shape shape = shape_of(bucket); /* this brings the rows into the cache */
    PK_ASSERT(shape.count == bucket->rows);
    pk_block_writer block;
    pk_status status = pk_writer_begin(writer, number, &shape, &block);
    if (status != PK_OK) {
        return status;
    }
    for (const pk_chunk *chunk = bucket->oldest; chunk != NULL; chunk = chunk->next) {
        for (const uint8_t *row = chunk->rows; row < chunk->row_end;) {
            row_head head = read_head(row);
            pk_block_add(&block, head.first, head.date, head.total, row + PK_ROW_HEAD,
                         head.length);
            row += PK_ROW_HEAD + head.length;
        }
    }
    return PK_OK;
}

pk_status
pk_scatter_flush(pk_scatter *scatter, pk_writer *writer)
{
    for (size_t i = 0; i < scatter->count; i++) {
        pk_bucket *bucket = &scatter->buckets[i];
        if (bucket->rows > 0) {
            pk_status status = write_bucket((uint32_t)i, bucket, writer);
            if (status != PK_OK) {
                return status;
            }
        }
        *bucket = (pk_bucket){0};
    }
    release_oversize(scatter);
    while (scatter->slab_count > 1) {
        pk_give_slab(scatter->slabs[--scatter->slab_count]);
    }
    scatter->slab_used = 0;
    scatter->bytes = 0;
    return PK_OK;
}
