#include "table.h"

#include "hash.h"
#include "memory.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define FIRST_SLOTS 64
#define FIRST_ENTRIES 16
#define TEXT_CHUNK ((size_t)64 << 10)
/* Tables of more slots than this do not stay in a core's own cache: worth a look ahead. */
#define LARGE_TABLE ((size_t)1 << 15)
/* Rows between asking for memory and using it. */
#define AHEAD 16

struct pk_text_chunk {
    pk_text_chunk *next;
    size_t size; /* of the allocation */
    size_t used;
    uint8_t text[];
};

void
pk_table_init(pk_table *table)
{
    memset(table, 0, sizeof *table);
}

static void
release_texts(pk_table *table)
{
    while (table->texts != NULL) {
        pk_text_chunk *next = table->texts->next;
        pk_release(table->texts, table->texts->size);
        table->texts = next;
    }
    table->text_bytes = 0;
}

void
pk_table_free(pk_table *table)
{
    release_texts(table);
    pk_release(table->slots, table->slot_count * sizeof *table->slots);
    pk_release(table->entries, table->capacity * sizeof *table->entries);
    pk_table_init(table);
}

void
pk_table_close(pk_table *table)
{
    table->closed = table->count;
    if (table->slots != NULL) {
        memset(table->slots, 0, table->slot_count * sizeof *table->slots);
    }
}

void
pk_table_clear(pk_table *table)
{
    release_texts(table);
    table->count = 0;
    pk_table_close(table);
}

static pk_status
reserve_entries(pk_table *table, size_t wanted)
{
    if (wanted <= table->capacity) {
        return PK_OK;
    }
    if (wanted >= UINT32_MAX) {
        return PK_NO_MEMORY; /* slots number entries with 32 bits */
    }
    size_t capacity = table->capacity ? table->capacity * 2 : FIRST_ENTRIES;
    while (capacity < wanted) {
        capacity *= 2;
    }
    pk_entry *entries = pk_resize(table->entries, table->capacity * sizeof *entries,
                                  capacity * sizeof *entries);
    if (entries == NULL) {
        return PK_NO_MEMORY;
    }
    table->entries = entries;
    table->capacity = capacity;
    return PK_OK;
}

/* The tag alone says where an entry belongs, so that growing needs no hash and no key. */
static pk_status
reserve_slots(pk_table *table, size_t wanted)
{
    if (wanted * 2 <= table->slot_count) {
        return PK_OK;
    }
    size_t count = table->slot_count ? table->slot_count * 2 : FIRST_SLOTS;
    while (count < wanted * 2) {
        count *= 2;
    }
    pk_slot *slots = pk_allocate(count * sizeof *slots);
    if (slots == NULL) {
        return PK_NO_MEMORY;
    }
    memset(slots, 0, count * sizeof *slots);
    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i].entry != 0) {
            size_t at = table->slots[i].tag & (count - 1);
            while (slots[at].entry != 0) {
                at = (at + 1) & (count - 1);
            }
            slots[at] = table->slots[i];
        }
    }
    pk_release(table->slots, table->slot_count * sizeof *slots);
    table->slots = slots;
    table->slot_count = count;
    return PK_OK;
}

pk_status
pk_table_reserve(pk_table *table, size_t more)
{
    pk_status status = reserve_entries(table, table->count + more);
    return status == PK_OK ? reserve_slots(table, table->count - table->closed + more) : status;
}

static uint8_t *
keep_text(pk_table *table, const uint8_t *text, size_t length)
{
    pk_text_chunk *chunk = table->texts;
    if (chunk == NULL || chunk->size - sizeof *chunk - chunk->used < length + PK_PADDING) {
        size_t size = sizeof *chunk + length + PK_PADDING;
        size = size < TEXT_CHUNK ? TEXT_CHUNK : size;
        chunk = pk_allocate(size);
        if (chunk == NULL) {
            return NULL;
        }
        *chunk = (pk_text_chunk){.next = table->texts, .size = size};
        table->texts = chunk;
    }
    uint8_t *kept = chunk->text + chunk->used;
    memcpy(kept, text, length);
    chunk->used += length;
    table->text_bytes += length;
    return kept;
}

/* Whether the first `count` (at most 32) bytes are equal; both are readable for 32. */
static inline bool
equal_heads(const uint8_t *a, const uint8_t *b, unsigned count)
{
#if defined(__SSE2__)
    const __m128i *x = (const __m128i *)(const void *)a, *y = (const __m128i *)(const void *)b;
    __m128i low = _mm_cmpeq_epi8(_mm_loadu_si128(x), _mm_loadu_si128(y));
    __m128i high = _mm_cmpeq_epi8(_mm_loadu_si128(x + 1), _mm_loadu_si128(y + 1));
    uint32_t equal = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;
    return (~(uint64_t)equal & ((1ULL << count) - 1)) == 0;
#else
    return memcmp(a, b, count) == 0;
#endif
}

static inline bool
is_song(const pk_entry *entry, const uint8_t *song, uint32_t length)
{
    if (PK_LIKELY(length <= PK_SONG_INLINE)) {
        return equal_heads(entry->song.text, song, length);
    }
    return memcmp(entry->song.longer.head, song, PK_SONG_HEAD) == 0 &&
           memcmp(entry->song.longer.whole, song, length) == 0;
}

/* Whether it is the group of the row. */
static inline __attribute__((always_inline)) bool
has_key(const pk_entry *entry, const pk_row *row)
{
    return entry->identity == row->identity &&
           is_song(entry, row->song, pk_identity_length(row->identity));
}

static pk_status
append(pk_table *table, const pk_row *row, pk_int128 total)
{
    const uint32_t length = pk_identity_length(row->identity);
    PK_ASSERT(table->count < table->capacity);
    PK_ASSERT(length <= PK_RECORD_LIMIT);
    pk_entry *entry = &table->entries[table->count];
    entry->total = total;
    entry->first = row->first;
    entry->identity = row->identity;
    if (length <= PK_SONG_INLINE) {
        memset(entry->song.text, 0, PK_SONG_INLINE);
        memcpy(entry->song.text, row->song, length);
    } else {
        memcpy(entry->song.longer.head, row->song, PK_SONG_HEAD);
        entry->song.longer.whole = keep_text(table, row->song, length);
        if (entry->song.longer.whole == NULL) {
            return PK_NO_MEMORY;
        }
    }
    table->count++;
    return PK_OK;
}

/* Totals wrap like unsigned numbers where they could leave 128 bits: rows that lie in files of 64
 * bits cannot make them, so only a damaged partial can. */
static inline void
add(pk_entry *entry, uint64_t first, pk_int128 total)
{
    entry->total = (pk_int128)((pk_uint128)entry->total + (pk_uint128)total);
    if (PK_UNLIKELY(first < entry->first)) {
        entry->first = first;
    }
}

/* The group of the row's key, or NULL: `*free` is the slot for it. */
static inline __attribute__((always_inline)) pk_entry *
find(const pk_table *table, const pk_row *row, pk_slot **free)
{
    pk_slot *const slots = table->slots;
    pk_entry *const entries = table->entries;
    const size_t mask = table->slot_count - 1;
    const uint32_t tag = (uint32_t)row->hash;
    for (size_t at = tag & mask;; at = (at + 1) & mask) {
        pk_slot *slot = &slots[at];
        if (PK_UNLIKELY(slot->entry == 0)) {
            *free = slot;
            return NULL;
        }
        if (PK_LIKELY(slot->tag == tag)) {
            pk_entry *entry = &entries[slot->entry - 1];
            if (PK_LIKELY(has_key(entry, row))) {
                return entry;
            }
        }
    }
}

bool
pk_table_has(const pk_table *table, const pk_row *row)
{
    pk_slot *free = NULL;
    return find(table, row, &free) != NULL;
}

/* Makes a group of a row whose key is new. */
static pk_status
enter(pk_table *table, const pk_row *row, pk_int128 total, pk_slot *slot)
{
    pk_status status = append(table, row, total);
    if (status == PK_OK) {
        *slot = (pk_slot){(uint32_t)row->hash, (uint32_t)table->count};
    }
    return status;
}

/* Which rows whose key is new may become groups. */
typedef struct {
    pk_admit *admit; /* NULL: all may */
    const void *context;
} admission;

/* Makes a group of a row whose key is new, if it may be one. */
static pk_status
admit_row(pk_table *table, const pk_row *row, pk_slot *slot, admission only)
{
    bool admitted = only.admit == NULL || only.admit(only.context, row);
    return admitted ? enter(table, row, row->plays, slot) : PK_DOUBTED;
}

/* Folds in a row, whose key may be new. */
static __attribute__((noinline)) pk_status
fold_row(pk_table *table, const pk_row *row, admission only)
{
    pk_slot *free = NULL;
    pk_entry *entry = find(table, row, &free);
    if (entry == NULL) {
        return admit_row(table, row, free, only);
    }
    add(entry, row->first, row->plays);
    return PK_OK;
}

/* Folds in rows, as far as they are admitted: `*folded`. */
static pk_status
fold_small(pk_table *table, const pk_row *rows, size_t count, admission only, size_t *folded)
{
    const pk_table known = *table; /* which nothing that is written here is part of */
    for (size_t i = 0; i < count; i++) {
        pk_slot *free = NULL;
        pk_entry *entry = find(&known, &rows[i], &free);
        if (PK_LIKELY(entry != NULL)) {
            add(entry, rows[i].first, rows[i].plays);
            continue;
        }
        pk_status status = admit_row(table, &rows[i], free, only);
        if (PK_UNLIKELY(status != PK_OK)) {
            *folded = i;
            return status;
        }
    }
    *folded = count;
    return PK_OK;
}

/* The number of the first entry with the row's tag, nearly always its own; 0: it seems to have
 * none. */
static inline __attribute__((always_inline)) uint32_t
probe(const pk_slot *slots, size_t mask, const pk_row *row)
{
    const uint32_t tag = (uint32_t)row->hash;
    for (size_t at = tag & mask;; at = (at + 1) & mask) {
        const pk_slot slot = slots[at];
        if (PK_LIKELY(slot.tag == tag) || slot.entry == 0) {
            return slot.entry;
        }
    }
}

static inline __attribute__((always_inline)) void
ask_for_slot(const pk_slot *slots, size_t mask, const pk_row *row)
{
    __builtin_prefetch(&slots[(uint32_t)row->hash & mask]);
}

/* Of no entry, the first: what is no address takes long to find out. */
static inline __attribute__((always_inline)) void
ask_for_entry(const pk_entry *entries, uint32_t number)
{
    __builtin_prefetch(entries + number - (number != 0), 1);
}

/* The same with a table that a core's own cache does not hold: some rows before it is needed, each
 * row's slot is asked for, then its entry. */
static __attribute__((noinline)) pk_status
fold_large(pk_table *table, const pk_row *rows, size_t count, admission only, size_t *folded)
{
    const pk_slot *const slots = table->slots;
    pk_entry *const entries = table->entries;
    const size_t mask = table->slot_count - 1;
    uint32_t numbers[AHEAD]; /* of the next rows' entries */
    for (size_t i = 0; i < 2 * AHEAD && i < count; i++) {
        ask_for_slot(slots, mask, &rows[i]);
    }
    for (size_t i = 0; i < AHEAD && i < count; i++) {
        numbers[i] = probe(slots, mask, &rows[i]);
        ask_for_entry(entries, numbers[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const pk_row *row = &rows[i];
        const uint32_t number = numbers[i % AHEAD];
        if (i + 2 * AHEAD < count) {
            ask_for_slot(slots, mask, row + 2 * AHEAD);
        }
        if (i + AHEAD < count) {
            const uint32_t next = probe(slots, mask, row + AHEAD);
            ask_for_entry(entries, next);
            numbers[i % AHEAD] = next;
        }
        if (PK_LIKELY(number != 0) && PK_LIKELY(has_key(&entries[number - 1], row))) {
            add(&entries[number - 1], row->first, row->plays);
            continue;
        }
        pk_status status = fold_row(table, row, only);
        if (PK_UNLIKELY(status != PK_OK)) {
            *folded = i;
            return status;
        }
    }
    *folded = count;
    return PK_OK;
}

pk_status
pk_table_fold_admitted(pk_table *table, const pk_row *rows, size_t count, pk_admit *admit,
                       const void *context, size_t *folded)
{
    const admission only = {admit, context};
    return table->slot_count > LARGE_TABLE ? fold_large(table, rows, count, only, folded)
                                           : fold_small(table, rows, count, only, folded);
}

pk_status
pk_table_fold(pk_table *table, const pk_row *rows, size_t count)
{
    size_t folded;
    return pk_table_fold_admitted(table, rows, count, NULL, NULL, &folded);
}

pk_status
pk_table_fold_wide(pk_table *table, const pk_row *row, pk_int128 total)
{
    pk_slot *free = NULL;
    pk_entry *entry = find(table, row, &free);
    if (entry == NULL) {
        return enter(table, row, total, free);
    }
    add(entry, row->first, total);
    return PK_OK;
}
