/* Groups in order of first appearance, found by an open-addressing hash table. */
#ifndef PLAYS_KERNEL_TABLE_H
#define PLAYS_KERNEL_TABLE_H

#include "common.h"
#include "hash.h"

/* All of a key but its song's bytes: the song's length, at most PK_RECORD_LIMIT, and a number for the
 * date, YYYYMMDD or its code (values.h). */
static inline uint64_t
pk_identity(uint32_t date, uint32_t length)
{
    return length | (uint64_t)date << 32;
}

/* A record, or a partial group, on its way into a table or a bucket. */
typedef struct {
    const uint8_t *song; /* readable for PK_PADDING bytes beyond its length */
    uint64_t identity;   /* see pk_identity */
    int64_t plays;
    uint64_t first; /* byte offset of the record in the input */
    uint64_t hash;
} pk_row;

#define PK_SONG_INLINE 32
#define PK_SONG_HEAD 24

/* One cache line: most songs lie in it whole. */
typedef struct {
    pk_int128 total;
    uint64_t first;
    uint64_t identity; /* and its partition, once no more rows come */
    union {
        uint8_t text[PK_SONG_INLINE]; /* zeros after the song */
        struct {
            uint8_t head[PK_SONG_HEAD];
            const uint8_t *whole; /* padded */
        } longer;
    } song;
} pk_entry;

typedef struct pk_text_chunk pk_text_chunk;

/* `entry` is a number into the entries, plus 1: 0 is a free slot. */
typedef struct {
    uint32_t tag;
    uint32_t entry;
} pk_slot;

typedef struct {
    pk_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    pk_entry *entries; /* in order of first appearance */
    size_t count;
    size_t closed; /* of them, the first ones: no more rows are folded into these */
    size_t capacity;
    pk_text_chunk *texts;
    size_t text_bytes;
} pk_table;

/* Estimated bytes of memory that a group takes besides a song longer than PK_SONG_INLINE: its
 * entry, its share of the slots at their fullest and of the old ones while they grow. */
#define PK_GROUP_COST 112

void pk_table_init(pk_table *table);
void pk_table_free(pk_table *table);
/* Forgets the groups and keeps the memory. */
void pk_table_clear(pk_table *table);
/* Keeps the groups, and looks for no row among them any more: none that comes is of theirs. So the
 * slots stay few, however many groups there are. */
void pk_table_close(pk_table *table);
/* Makes room for `more` further groups. */
pk_status pk_table_reserve(pk_table *table, size_t more);
/* Whether a row, whose key is new, may become a group. */
typedef bool pk_admit(const void *context, const pk_row *row);
/* Folds in rows that have their hash. Room for all of them must have been made. PK_DOUBTED: up to
 * the `*folded`th, which was not admitted. */
pk_status pk_table_fold_admitted(pk_table *table, const pk_row *rows, size_t count,
                                 pk_admit *admit, const void *context, size_t *folded);
/* The same, all of them. */
pk_status pk_table_fold(pk_table *table, const pk_row *rows, size_t count);
/* Folds in one row with `total` for its plays. */
pk_status pk_table_fold_wide(pk_table *table, const pk_row *row, pk_int128 total);

/* Whether a row, which has its hash, is of one of the groups. */
bool pk_table_has(const pk_table *table, const pk_row *row);

static inline size_t
pk_table_bytes(const pk_table *table)
{
    return table->count * PK_GROUP_COST + table->text_bytes;
}

static inline uint32_t
pk_identity_length(uint64_t identity)
{
    return (uint32_t)identity & ((1U << 22) - 1);
}

static inline uint32_t
pk_identity_date(uint64_t identity)
{
    return (uint32_t)(identity >> 32);
}

/* Gives a row its hash, for a table. */
static inline void
pk_row_hash(pk_row *row, const pk_hasher *hasher)
{
    uint32_t length = pk_identity_length(row->identity);
    row->hash = pk_table_hash(hasher, row->song, length, row->identity);
}

static inline uint32_t
pk_entry_length(const pk_entry *entry)
{
    return pk_identity_length(entry->identity);
}

static inline uint32_t
pk_entry_date(const pk_entry *entry)
{
    return pk_identity_date(entry->identity);
}

/* Gives an entry its date as YYYYMMDD and its partition. No more rows may come. */
static inline void
pk_entry_settle(pk_entry *entry, uint32_t date, uint32_t partition)
{
    entry->identity = pk_identity(date, pk_entry_length(entry)) | (uint64_t)partition << 22;
}

static inline uint32_t
pk_entry_partition(const pk_entry *entry)
{
    return (uint32_t)(entry->identity >> 22) & (PK_PARTITIONS - 1);
}

static inline const uint8_t *
pk_entry_song(const pk_entry *entry)
{
    return pk_entry_length(entry) <= PK_SONG_INLINE ? entry->song.text : entry->song.longer.whole;
}

#endif
