#include "sorter.h"

#include "memory.h"

#define FIRST_ENTRIES ((size_t)1 << 10)
#define FIRST_TEXTS ((size_t)64 << 10)
/* Of a text: its offset, its length. */
#define TEXT_HEAD 12
/* Entries from which on distributing is faster than merging. */
#define MANY 1500
#define FEW 12
/* Bytes up to which texts are sorted 8 at a time: bounds how deep that goes. */
#define DEEP 512

void
pk_sorter_open(pk_sorter *sorter, size_t memory, bool descending, const char *scratch)
{
    memset(sorter, 0, sizeof *sorter);
    sorter->memory = memory;
    sorter->descending = descending;
    pk_runs_open(&sorter->runs, memory, descending, scratch);
}

void
pk_sorter_close(pk_sorter *sorter)
{
    pk_release(sorter->entries, sorter->capacity * sizeof *sorter->entries);
    pk_release(sorter->spare, sorter->spare_capacity * sizeof *sorter->spare);
    pk_release(sorter->texts, sorter->texts_size);
    pk_runs_close(&sorter->runs);
}

typedef struct {
    const uint8_t *bytes;
    size_t length;
} text;

static text
text_of(const pk_sorter *sorter, const pk_placed *entry)
{
    if (entry->what & PK_NO_TEXT) {
        return (text){NULL, 0};
    }
    const uint8_t *head = sorter->texts + entry->what;
    return (text){head + TEXT_HEAD, pk_load32(head + 8)};
}

static uint64_t
offset_of(const pk_sorter *sorter, const pk_placed *entry)
{
    return entry->what & PK_NO_TEXT ? entry->what & ~PK_NO_TEXT
                                    : pk_load64(sorter->texts + entry->what);
}

/* Whether b belongs before a, their keys being of the same depth. */
static bool
is_after(const pk_sorter *sorter, const pk_placed *a, const pk_placed *b)
{
    if (a->key != b->key) {
        return a->key > b->key;
    }
    text x = text_of(sorter, a), y = text_of(sorter, b);
    return pk_compare_texts(x.bytes, x.length, y.bytes, y.length) > 0;
}

static void
insert(const pk_sorter *sorter, pk_placed *entries, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        pk_placed one = entries[i];
        size_t at = i;
        while (at > 0 && is_after(sorter, &entries[at - 1], &one)) {
            entries[at] = entries[at - 1];
            at--;
        }
        entries[at] = one;
    }
}

static void
merge_sort(const pk_sorter *sorter, pk_placed *entries, pk_placed *spare, size_t count)
{
    if (count <= FEW) {
        insert(sorter, entries, count);
        return;
    }
    size_t half = count / 2;
    merge_sort(sorter, entries, spare, half);
    merge_sort(sorter, entries + half, spare, count - half);
    if (!is_after(sorter, &entries[half - 1], &entries[half])) {
        return;
    }
    memcpy(spare, entries, half * sizeof *spare);
    size_t left = 0, right = half, to = 0;
    while (left < half && right < count) {
        bool take_right = is_after(sorter, &spare[left], &entries[right]);
        entries[to++] = take_right ? entries[right++] : spare[left++];
    }
    memcpy(entries + to, spare + left, (half - left) * sizeof *spare);
}

static void sort(const pk_sorter *sorter, pk_placed *entries, pk_placed *spare, size_t count,
                 size_t depth);

/* Sorts entries whose texts are alike in their first `depth` bytes and the 8 that follow. */
static void
sort_alike(const pk_sorter *sorter, pk_placed *entries, pk_placed *spare, size_t count,
           size_t depth)
{
    const text first = text_of(sorter, &entries[0]);
    bool equal = true, goes_on = true;
    for (size_t i = 0; i < count && (equal || goes_on); i++) {
        text one = text_of(sorter, &entries[i]);
        equal = equal && pk_compare_texts(one.bytes, one.length, first.bytes, first.length) == 0;
        goes_on = goes_on && one.length > depth + 8;
    }
    if (equal) {
        return; /* the same song on many dates */
    }
    if (count < MANY || !goes_on || depth + 8 >= DEEP) {
        merge_sort(sorter, entries, spare, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        text one = text_of(sorter, &entries[i]);
        entries[i].key = pk_text_prefix(one.bytes, one.length, depth + 8);
    }
    sort(sorter, entries, spare, count, depth + 8);
}

/* Sorts by the keys, which hold the 8 bytes of the texts from `depth` on, and by what follows. */
static void
sort(const pk_sorter *sorter, pk_placed *entries, pk_placed *spare, size_t count, size_t depth)
{
    if (count < MANY) {
        merge_sort(sorter, entries, spare, count);
        return;
    }
    uint64_t spread = 0;
    for (size_t i = 0; i < count; i++) {
        spread |= entries[i].key ^ entries[0].key;
    }
    if (pk_order(entries, spare, count, spread)) {
        memcpy(entries, spare, count * sizeof *entries);
    }
    for (size_t i = 0, end; sorter->texts_used > 0 && i < count; i = end) {
        for (end = i + 1; end < count && entries[end].key == entries[i].key; end++) {
        }
        if (end - i > 1) {
            sort_alike(sorter, entries + i, spare, end - i, depth);
        }
    }
}

static void
reverse(pk_placed *entries, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        pk_placed one = entries[i];
        entries[i] = entries[count - 1 - i];
        entries[count - 1 - i] = one;
    }
}

/* Descending is ascending backwards, twice, so that equal ones keep their order. */
static pk_status
sort_all(pk_sorter *sorter)
{
    if (sorter->spare_capacity < sorter->count) {
        pk_release(sorter->spare, sorter->spare_capacity * sizeof *sorter->spare);
        sorter->spare = pk_allocate(sorter->count * sizeof *sorter->spare);
        sorter->spare_capacity = sorter->spare == NULL ? 0 : sorter->count;
        if (sorter->spare == NULL) {
            return PK_NO_MEMORY;
        }
    }
    if (sorter->descending) {
        reverse(sorter->entries, sorter->count);
    }
    sort(sorter, sorter->entries, sorter->spare, sorter->count, 0);
    if (sorter->descending) {
        reverse(sorter->entries, sorter->count);
    }
    return PK_OK;
}

/* What is in memory becomes a run. */
static pk_status
spill(pk_sorter *sorter)
{
    pk_status status = sort_all(sorter);
    if (status == PK_OK) {
        status = pk_runs_begin(&sorter->runs);
    }
    for (size_t i = 0; i < sorter->count && status == PK_OK; i++) {
        const pk_placed *entry = &sorter->entries[i];
        uint64_t prefix = pk_big_endian(entry->key);
        text one = text_of(sorter, entry);
        if (one.bytes == NULL) {
            one = (text){(const uint8_t *)&prefix, sizeof prefix};
        }
        status = pk_runs_add(&sorter->runs, offset_of(sorter, entry), one.bytes, one.length);
    }
    sorter->count = 0;
    sorter->texts_used = 0;
    return status == PK_OK ? pk_runs_end(&sorter->runs) : status;
}

/* Entries that there is room for once one more is added, and bytes of texts. */
static size_t
next_capacity(const pk_sorter *sorter)
{
    if (sorter->count < sorter->capacity) {
        return sorter->capacity;
    }
    return sorter->capacity ? sorter->capacity + sorter->capacity / 4 : FIRST_ENTRIES;
}

static size_t
next_texts_size(const pk_sorter *sorter, uint32_t length)
{
    size_t wanted = sorter->texts_used + TEXT_HEAD + length + PK_PADDING;
    if (wanted <= sorter->texts_size) {
        return sorter->texts_size;
    }
    return wanted + (wanted > FIRST_TEXTS ? wanted / 4 : FIRST_TEXTS);
}

static pk_status
reserve_entry(pk_sorter *sorter)
{
    size_t capacity = next_capacity(sorter);
    if (capacity == sorter->capacity) {
        return PK_OK;
    }
    pk_placed *entries =
        pk_resize(sorter->entries, sorter->capacity * sizeof *entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return PK_NO_MEMORY;
    }
    sorter->entries = entries;
    sorter->capacity = capacity;
    return PK_OK;
}

static pk_status
keep_text(pk_sorter *sorter, const uint8_t *bytes, uint32_t length, uint64_t offset)
{
    size_t size = next_texts_size(sorter, length);
    if (size > sorter->texts_size) {
        uint8_t *texts = pk_resize(sorter->texts, sorter->texts_size, size);
        if (texts == NULL) {
            return PK_NO_MEMORY;
        }
        sorter->texts = texts;
        sorter->texts_size = size;
    }
    uint8_t *head = sorter->texts + sorter->texts_used;
    pk_store(head, offset, 8);
    pk_store(head + 8, length, 4);
    memcpy(head + TEXT_HEAD, bytes, length);
    sorter->texts_used += TEXT_HEAD + length;
    return PK_OK;
}

pk_status
pk_sorter_add(pk_sorter *sorter, uint64_t prefix, const uint8_t *bytes, uint32_t length,
              uint64_t offset)
{
    /* of what is reserved, used or not: that is what the system may limit */
    size_t size = 2 * sizeof(pk_placed) * next_capacity(sorter) + next_texts_size(sorter, length);
    if (PK_UNLIKELY(size > sorter->memory / 4 * 3 && sorter->count > 0)) {
        pk_status status = spill(sorter);
        if (status != PK_OK) {
            return status;
        }
    }
    pk_status status = reserve_entry(sorter);
    uint64_t what = length > 0 ? sorter->texts_used : offset | PK_NO_TEXT;
    if (status == PK_OK && length > 0) {
        status = keep_text(sorter, bytes, length, offset);
    }
    if (status == PK_OK) {
        sorter->entries[sorter->count++] = (pk_placed){prefix, what};
    }
    return status;
}

pk_status
pk_sorter_finish(pk_sorter *sorter, pk_put *put, void *context)
{
    if (sorter->runs.count > 0) {
        pk_status status = spill(sorter);
        return status == PK_OK ? pk_runs_merge(&sorter->runs, put, context) : status;
    }
    pk_status status = sort_all(sorter);
    for (size_t i = 0; i < sorter->count && status == PK_OK; i++) {
        status = put(context, offset_of(sorter, &sorter->entries[i]));
    }
    return status;
}
