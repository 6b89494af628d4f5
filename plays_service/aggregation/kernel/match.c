#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "match.h"

#include "utf8.h"

void
pk_match_open(pk_match *match)
{
    for (size_t i = 0; i < match->fold_count; i++) {
        uint32_t block = match->folds[i].character / 64;
        if (block / 8 < PK_FOLD_BLOCKS) {
            match->blocks[block / 8] |= (uint8_t)(1U << block % 8);
        }
    }
}

void
pk_match_close(pk_match *match)
{
    pk_space_free(&match->folded);
}

/* Folds as if all were ASCII; false where it is not. */
static bool
fold_ascii(const uint8_t *song, size_t length, uint8_t *folded)
{
    uint8_t all = 0;
    for (size_t i = 0; i < length; i++) {
        uint8_t c = song[i];
        all |= c;
        folded[i] = (uint8_t)(c + ((uint8_t)(c - 'A') < 26 ? 'a' - 'A' : 0));
    }
    return all < 0x80;
}

static const pk_fold_entry *
find_fold(const pk_match *match, uint32_t character)
{
    uint32_t block = character / 64;
    if ((match->blocks[block / 8] >> block % 8 & 1) == 0) {
        return NULL;
    }
    size_t low = 0, high = match->fold_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (match->folds[middle].character < character) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool found = low < match->fold_count && match->folds[low].character == character;
    return found ? &match->folds[low] : NULL;
}

/* The character at `p`, valid UTF-8, and its size. */
static uint32_t
character_at(const uint8_t *p, size_t *size)
{
    if (*p < 0x80) {
        *size = 1;
        return *p;
    }
    *size = *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
    uint32_t character = *p & (0x7FU >> *size);
    for (size_t i = 1; i < *size; i++) {
        character = character << 6 | (p[i] & 0x3F);
    }
    return character;
}

static size_t
fold_unicode(const pk_match *match, const uint8_t *song, size_t length, uint8_t *folded)
{
    uint8_t *to = folded;
    for (size_t at = 0, size; at < length; at += size) {
        uint32_t character = character_at(song + at, &size);
        const pk_fold_entry *fold = size > 1 ? find_fold(match, character) : NULL;
        if (fold != NULL) {
            for (size_t i = 0; i < PK_FOLD_TEXT && fold->text[i] != 0; i++) {
                *to++ = fold->text[i];
            }
        } else if (size == 1) {
            *to++ = (uint8_t)(character - 'A' < 26 ? character + 32 : character);
        } else {
            memcpy(to, song + at, size);
            to += size;
        }
    }
    return (size_t)(to - folded);
}

pk_status
pk_match_row(pk_match *match, const pk_result_row *row)
{
    if (row->date < match->first_date || row->date > match->last_date) {
        return PK_STOPPED;
    }
    if (match->needle_length == 0) {
        return PK_OK;
    }
    /* a character of two bytes or more may become one of PK_FOLD_TEXT */
    size_t length = row->length;
    pk_status status = pk_space_for(&match->folded, length * (PK_FOLD_TEXT / 2));
    if (status != PK_OK) {
        return status;
    }
    if (!fold_ascii(row->song, length, match->folded.bytes)) {
        if (!pk_is_utf8(row->song, length)) {
            return PK_DAMAGED;
        }
        length = fold_unicode(match, row->song, length, match->folded.bytes);
    }
    bool found = memmem(match->folded.bytes, length, match->needle, match->needle_length) != NULL;
    return found ? PK_OK : PK_STOPPED;
}
