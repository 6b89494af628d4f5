#include "digest.h"

#include "hash.h"
#include "memory.h"
#include "table.h"

/* Numbers for all days of the calendar, if each month had 31. */
#define DAYS ((size_t)10001 * 372)
#define YEAR 10000
/* The table knows groups by song and date; here all have the same. */
#define NO_DATE 1
/* Rows that are folded together, and the longest song that waits for others. */
#define BATCH 64
#define SHORT_SONG 64

static pk_int128
add(pk_int128 a, pk_int128 b)
{
    return (pk_int128)((pk_uint128)a + (pk_uint128)b); /* a damaged result must not overflow */
}

/* ---- Time ---- */

typedef struct {
    pk_digest *digest;
    uint8_t *days; /* a bit each */
    size_t periods;
} timeline;

static pk_period *
period_of(pk_period *periods, uint32_t period)
{
    size_t at = (period * 0x9E3779B9U) >> 17;
    while (periods[at].period != 0 && periods[at].period != period) {
        at = (at + 1) % PK_PERIODS;
    }
    return &periods[at];
}

static void
count_in(timeline *time, pk_period *periods, uint32_t period, pk_int128 plays)
{
    pk_period *one = period_of(periods, period);
    time->periods += one->period == 0;
    one->period = period;
    one->plays = add(one->plays, plays);
}

static pk_status
coarsen(timeline *time)
{
    pk_period *finer = time->digest->periods;
    pk_period *coarser = pk_allocate(PK_PERIODS * sizeof *coarser);
    if (coarser == NULL) {
        return PK_NO_MEMORY;
    }
    memset(coarser, 0, PK_PERIODS * sizeof *coarser);
    time->periods = 0;
    for (size_t i = 0; i < PK_PERIODS; i++) {
        if (finer[i].period != 0) {
            count_in(time, coarser, finer[i].period / 100, finer[i].plays);
        }
    }
    pk_release(finer, PK_PERIODS * sizeof *finer);
    time->digest->periods = coarser;
    time->digest->divisor *= 100;
    return PK_OK;
}

static pk_status
count_row(timeline *time, const pk_result_row *row, size_t most_periods)
{
    pk_digest *digest = time->digest;
    uint32_t date = row->date;
    size_t day = (size_t)date / 10000 * 372 + date / 100 % 100 * 31 + date % 100;
    uint8_t bit = (uint8_t)(1U << day % 8);
    digest->dates += (time->days[day / 8] & bit) == 0;
    time->days[day / 8] |= bit;
    digest->first_date = digest->rows == 0 || date < digest->first_date ? date : digest->first_date;
    digest->last_date = date > digest->last_date ? date : digest->last_date;
    digest->rows++;
    digest->plays = add(digest->plays, row->plays);
    count_in(time, digest->periods, date / digest->divisor, row->plays);
    pk_status status = PK_OK;
    while (status == PK_OK && time->periods > most_periods && digest->divisor < YEAR) {
        status = coarsen(time);
    }
    return status;
}

/* ---- Songs ---- */

/* The songs whose hash has `value` in the bits of `mask`, from HASH_SHIFT on: by those below it the
 * table chooses slots, and they must stay spread. */
#define HASH_SHIFT 32

typedef struct {
    uint64_t mask;
    uint64_t value;
} share;

typedef struct {
    const pk_digest_means *means;
    pk_hasher hasher;
    pk_table table;
    share share;
    share later[64]; /* each time a share is halved, the other half waits here */
    size_t later_count;
    pk_row rows[BATCH];
    size_t count;
    uint8_t songs[BATCH][SHORT_SONG + PK_PADDING];
} songs;

static bool
is_of(share which, uint64_t hash)
{
    return (hash >> HASH_SHIFT & which.mask) == which.value;
}

static pk_status
fold_batch(songs *all)
{
    size_t count = all->count;
    all->count = 0;
    return pk_table_fold(&all->table, all->rows, count);
}

/* Leaves half of the songs for later, and moves the others into a table of their own. */
static pk_status
halve(songs *all)
{
    uint64_t bit = all->share.mask + 1;
    if (all->later_count == sizeof all->later / sizeof *all->later || bit >> 31 != 0) {
        return PK_NO_MEMORY;
    }
    all->later[all->later_count++] = (share){all->share.mask | bit, all->share.value | bit};
    all->share.mask |= bit;
    pk_table half;
    pk_table_init(&half);
    pk_status status = PK_OK;
    for (size_t i = 0; i < all->table.count && status == PK_OK; i++) {
        const pk_entry *entry = &all->table.entries[i];
        uint32_t length = pk_entry_length(entry);
        const uint8_t *song = pk_entry_song(entry);
        uint64_t hash = pk_key_hash(&all->hasher, song, length, NO_DATE);
        if (is_of(all->share, hash)) {
            pk_row row = {.song = song, .identity = entry->identity, .hash = hash};
            status = pk_table_reserve(&half, 1);
            status = status == PK_OK ? pk_table_fold_wide(&half, &row, entry->total) : status;
        }
    }
    pk_table_free(&all->table);
    all->table = half;
    return status;
}

/* Room for a batch and one more; of a table that has outgrown its memory, in what is left of it. */
static pk_status
make_room(songs *all)
{
    pk_status status = fold_batch(all);
    while (status == PK_OK && all->table.count > 1 &&
           pk_table_bytes(&all->table) > all->means->memory / 3) {
        status = halve(all);
    }
    return status == PK_OK ? pk_table_reserve(&all->table, BATCH + 1) : status;
}

static pk_status
add_song(songs *all, const pk_result_row *from)
{
    uint64_t hash = pk_key_hash(&all->hasher, from->song, from->length, NO_DATE);
    if (!is_of(all->share, hash)) {
        return PK_OK;
    }
    uint64_t identity = pk_identity(NO_DATE, from->length);
    pk_row row = {from->song, identity, (int64_t)from->plays, 0, hash};
    bool waits = from->length <= SHORT_SONG && from->plays == row.plays;
    if (all->count == BATCH || !waits) {
        pk_status status = make_room(all);
        if (status != PK_OK) {
            return status;
        }
    }
    if (!waits) { /* it may belong to the half that has just been left for later */
        return is_of(all->share, hash) ? pk_table_fold_wide(&all->table, &row, from->plays) : PK_OK;
    }
    row.song = memcpy(all->songs[all->count], from->song, SHORT_SONG);
    if (is_of(all->share, hash)) {
        all->rows[all->count++] = row;
    }
    return PK_OK;
}

/* Whether a belongs before b among the top songs. */
static bool
is_above(const pk_top_song *a, const pk_top_song *b)
{
    if (a->plays != b->plays) {
        return a->plays > b->plays;
    }
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->song, b->song, shorter);
    return order != 0 ? order < 0 : a->length < b->length;
}

static void
forget(pk_top_song *one)
{
    pk_release((void *)one->song, one->length);
}

static pk_status
enter(pk_digest *digest, const pk_entry *entry)
{
    pk_top_song one = {pk_entry_song(entry), pk_entry_length(entry), entry->total};
    size_t at = digest->top_count;
    while (at > 0 && is_above(&one, &digest->top[at - 1])) {
        at--;
    }
    if (at == PK_TOP_SONGS) {
        return PK_OK;
    }
    uint8_t *copy = pk_allocate(one.length);
    if (copy == NULL) {
        return PK_NO_MEMORY;
    }
    one.song = memcpy(copy, one.song, one.length);
    if (digest->top_count == PK_TOP_SONGS) {
        forget(&digest->top[--digest->top_count]);
    }
    memmove(&digest->top[at + 1], &digest->top[at], (digest->top_count - at) * sizeof one);
    digest->top[at] = one;
    digest->top_count++;
    return PK_OK;
}

static pk_status
end_share(songs *all, pk_digest *digest)
{
    pk_status status = fold_batch(all);
    digest->songs += all->table.count;
    for (size_t i = 0; i < all->table.count && status == PK_OK; i++) {
        status = enter(digest, &all->table.entries[i]);
    }
    pk_table_clear(&all->table);
    return status;
}

/* ---- Both ---- */

/* One pass over the result; `time` is NULL for all but the first. */
static pk_status
read_share(int descriptor, songs *all, timeline *time)
{
    pk_result result;
    pk_result_row row;
    pk_status status = pk_result_open(&result, descriptor, all->means->start);
    if (status == PK_OK) {
        status = pk_table_reserve(&all->table, BATCH + 1);
    }
    while (status == PK_OK && (status = pk_result_next(&result, &row)) == PK_OK) {
        if (time != NULL) {
            status = count_row(time, &row, all->means->most_periods);
        }
        if (status == PK_OK) {
            status = add_song(all, &row);
        }
    }
    pk_result_close(&result);
    return status == PK_STOPPED ? PK_OK : status;
}

static pk_status
read_all(int descriptor, songs *all, timeline *time)
{
    pk_status status = read_share(descriptor, all, time);
    if (status == PK_OK) {
        status = end_share(all, time->digest);
    }
    while (status == PK_OK && all->later_count > 0) {
        all->share = all->later[--all->later_count];
        status = read_share(descriptor, all, NULL);
        if (status == PK_OK) {
            status = end_share(all, time->digest);
        }
    }
    return status;
}

pk_status
pk_digest_result(int result, const pk_digest_means *means, pk_digest *digest)
{
    memset(digest, 0, sizeof *digest);
    digest->divisor = 1;
    timeline time = {.digest = digest, .days = pk_allocate(DAYS / 8 + 1)};
    songs *all = pk_allocate(sizeof *all);
    digest->periods = pk_allocate(PK_PERIODS * sizeof *digest->periods);
    pk_status status = PK_NO_MEMORY;
    if (time.days != NULL && all != NULL && digest->periods != NULL) {
        memset(time.days, 0, DAYS / 8 + 1);
        memset(digest->periods, 0, PK_PERIODS * sizeof *digest->periods);
        memset(all, 0, sizeof *all);
        all->means = means;
        pk_hasher_init(&all->hasher, means->seed);
        pk_table_init(&all->table);
        status = read_all(result, all, &time);
        pk_table_free(&all->table);
    }
    pk_release(time.days, DAYS / 8 + 1);
    pk_release(all, sizeof *all);
    return status;
}

void
pk_digest_close(pk_digest *digest)
{
    pk_release(digest->periods, PK_PERIODS * sizeof *digest->periods);
    for (size_t i = 0; i < digest->top_count; i++) {
        forget(&digest->top[i]);
    }
}
