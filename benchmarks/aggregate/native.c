/* Test data, and digests of results. In C because both must keep up with the fastest contender. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Data --------------------------------------------------------------------------------- */

/* 256 words: a title is the number of its song, written in them. */
static const char WORDS[] =
    "Love Night Blue Dance Fire Heart Summer Ghost River Golden Lost Dream Electric Silver Umbrella Rain "
    "Sun Moon Star Sky Ocean Wave Storm Thunder Lightning Shadow Light Dark Midnight Morning Sunday Monday "
    "Friday Saturday Winter Autumn Spring December June July Forever Never Always Tomorrow Yesterday Tonight Today Again "
    "Baby Girl Boy Woman Man Lady King Queen Angel Devil Heaven Hell Paradise Home House Street "
    "Road Highway Bridge City Town Village Country World Planet Universe Mountain Valley Desert Island Beach Garden "
    "Flower Rose Lily Violet Daisy Tree Forest Leaf Bird Butterfly Wolf Tiger Lion Horse Dragon Phoenix "
    "Diamond Gold Crystal Pearl Ruby Emerald Money Power Glory Fame Freedom Peace War Soldier Hero Rebel "
    "Stranger Friend Lover Enemy Brother Sister Mother Father Child Teacher Preacher Sailor Cowboy Dancer Singer Drummer "
    "Guitar Piano Violin Trumpet Rhythm Melody Harmony Song Music Radio Record Party Disco Club Bar Cafe "
    "Coffee Whiskey Wine Champagne Sugar Honey Candy Cherry Peach Lemon Strawberry Vanilla Chocolate Cinnamon Pepper Salt "
    "Running Walking Falling Flying Driving Waiting Crying Laughing Smiling Sleeping Dreaming Burning Breaking Breathing Shining Swimming "
    "Beautiful Crazy Lonely Happy Sad Wild Young Old Sweet Bitter Cold Hot Fast Slow Heavy Broken "
    "Perfect Simple Special Secret Silent Loud Sacred Holy Wicked Dirty Naked Hungry Thirsty Tired Restless Careless "
    "Mr. Mrs. I You We They My Your Our The A No Yes Oh Hey Please "
    "Corazón Señorita Déjà Über Café Amour Città Mañana Façade Naïve Fiancée Jalapeño Smörgås Ærø Żółw Łódź "
    "夜 愛 Любовь Ночь 404 1999 24/7 Rock'n'Roll R&B D.J. U.F.O. O.K. Can't Don't Ain't Won't ";

static const char *const ENDINGS[] = {" (Remix)", " - Live", " (Acoustic)", " (feat. DJ Nova)",
                                      " Pt. 2"};

typedef struct {
    uint64_t size;     /* bytes at most */
    uint64_t songs;    /* popular ones come more often */
    uint64_t days;     /* spread over ten years */
    uint64_t seed;
    uint32_t quoted;   /* strings in quotes, some with delimiters and quotes inside */
    uint32_t multiline;/* some of them with a line end inside */
    uint32_t crlf;
    uint32_t delimiter;
} plan_t;

typedef struct {
    const char *text[256];
    size_t length[256];
} words_t;

static void split_words(words_t *words)
{
    const char *at = WORDS;
    for (int i = 0; i < 256; i++) {
        const char *end = strchr(at, ' ');
        words->text[i] = at;
        words->length[i] = (size_t)(end - at);
        at = end + 1;
    }
}

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

static char *put(char *out, const char *text, size_t length)
{
    memcpy(out, text, length);
    return out + length;
}

static char *put_number(char *out, uint64_t number)
{
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        *out++ = digits[--count];
    return out;
}

/* Different songs have different titles: the words are the digits of the number. */
static char *put_title(char *out, const words_t *words, uint64_t song, const plan_t *plan)
{
    uint64_t state = song, variety = next_random(&state);
    int special = plan->quoted ? (int)(variety >> 56) & 15 : 0;
    int broken = plan->multiline && (variety >> 50 & 63) == 0;
    uint64_t rest = song + 240; /* a few titles of one word */
    for (int place = 0;; place++) {
        unsigned word = (unsigned)(rest * 167 + (unsigned)place * 89) & 255;
        if (place) {
            if (special == 1 && place == 1)
                *out++ = (char)plan->delimiter;
            *out++ = broken && place == 1 ? '\n' : ' ';
        }
        if (special == 2 && place == 0)
            out = put(out, "\"\"", 2);
        out = put(out, words->text[word], words->length[word]);
        if (special == 2 && place == 0)
            out = put(out, "\"\"", 2);
        if (rest < 256)
            break;
        rest = rest / 256 - 1;
    }
    unsigned ending = variety & 15;
    if (ending < sizeof ENDINGS / sizeof *ENDINGS)
        out = put(out, ENDINGS[ending], strlen(ENDINGS[ending]));
    return out;
}

/* 2015-01-01 and the ten years after it, every day of which is a day of the calendar. */
static void put_day(char *out, uint64_t day)
{
    static const int LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 2015, month = 0, left = (int)day;
    for (;; year++) {
        int length = 365 + (year % 4 == 0);
        if (left < length)
            break;
        left -= length;
    }
    for (;; month++) {
        int length = LENGTHS[month] + (month == 1 && year % 4 == 0);
        if (left < length)
            break;
        left -= length;
    }
    char text[32];
    snprintf(text, sizeof text, "%04d-%02d-%02d", year, month + 1, left + 1);
    memcpy(out, text, 10);
}

enum { TEN_YEARS = 3653, BUFFER = 1 << 20, ROW_MOST = 512 };

/* Writes the file; the number of its rows, or -1 with errno. */
int64_t pb_generate(const char *path, const plan_t *plan)
{
    static char dates[TEN_YEARS][10];
    words_t words;
    split_words(&words);
    uint64_t days = plan->days > TEN_YEARS ? TEN_YEARS : plan->days;
    for (uint64_t day = 0; day < days; day++)
        put_day(dates[day], day * TEN_YEARS / days);
    FILE *file = fopen(path, "wb");
    char *buffer = malloc(BUFFER + ROW_MOST);
    if (!file || !buffer)
        return -1;
    const char *mark = plan->quoted ? "\"" : "";
    const char *line_end = plan->crlf ? "\r\n" : "\n";
    size_t line_end_length = plan->crlf ? 2 : 1;
    char delimiter = (char)plan->delimiter;
    char *out = buffer + sprintf(buffer, "%sSong%s%c%sDate%s%c%sNumber of Plays%s%s", mark, mark,
                                 delimiter, mark, mark, delimiter, mark, mark, line_end);
    uint64_t state = plan->seed, written = 0;
    int64_t rows = 0;
    for (;; rows++) {
        char *row = out;
        double u = (double)(next_random(&state) >> 11) * (1.0 / 9007199254740992.0);
        uint64_t song = (uint64_t)(u * u * u * (double)plan->songs);
        uint64_t dice = next_random(&state);
        uint64_t day = (uint64_t)(((__uint128_t)(dice & 0xFFFFFFFF) * days) >> 32);
        uint64_t plays = 1 + (dice >> 40) % ((dice >> 32 & 15) ? 1000 : 100000);
        if (plan->quoted)
            *out++ = '"';
        out = put_title(out, &words, song, plan);
        if (plan->quoted)
            *out++ = '"';
        *out++ = delimiter;
        if (plan->quoted)
            *out++ = '"';
        out = put(out, dates[day], 10);
        if (plan->quoted)
            *out++ = '"';
        *out++ = delimiter;
        out = put_number(out, plays);
        out = put(out, line_end, line_end_length);
        size_t filled = (size_t)(out - buffer);
        if (written + filled > plan->size) {
            out = row;
            break;
        }
        if (filled >= BUFFER) {
            if (fwrite(buffer, 1, filled, file) != filled)
                return -1;
            written += filled;
            out = buffer;
        }
    }
    size_t filled = (size_t)(out - buffer);
    int failed = fwrite(buffer, 1, filled, file) != filled;
    free(buffer);
    return fclose(file) || failed ? -1 : rows;
}

/* ---- Digests ------------------------------------------------------------------------------ */

typedef struct {
    uint64_t size;
    uint64_t rows;     /* after the header */
    uint64_t bad;      /* rows that are not three fields */
    uint64_t bytes;    /* of the file as it is */
    uint64_t ordered;  /* of the decoded rows, in their order */
    uint64_t sum;      /* of the decoded rows, in any order */
    uint64_t squares;  /* likewise; one sum alone could be met by accident */
} digest_t;

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)(a ^ 0xA0761D6478BD642FULL) * (b ^ 0xE7037ED1A0B428DBULL);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(const unsigned char *text, size_t length, uint64_t seed)
{
    uint64_t h = mix(seed, length), word;
    for (; length >= 8; text += 8, length -= 8) {
        memcpy(&word, text, 8);
        h = mix(h, word);
    }
    word = 0;
    memcpy(&word, text, length);
    return mix(h, word);
}

typedef struct {
    const unsigned char *at, *end;
    unsigned char *decoded; /* room for a field with doubled quotes */
    size_t room;
    int failed;
} reader_t;

static size_t decode(reader_t *r, const unsigned char **text)
{
    size_t length = 0;
    r->at++; /* the opening quote */
    const unsigned char *start = r->at;
    for (;;) {
        const unsigned char *quote = memchr(r->at, '"', (size_t)(r->end - r->at));
        if (!quote) { /* never closed */
            r->at = r->end;
            r->failed = 1;
            return 0;
        }
        int doubled = quote + 1 < r->end && quote[1] == '"';
        size_t part = (size_t)(quote - start);
        if (!doubled && !length) {
            r->at = quote + 1;
            *text = start;
            return part;
        }
        if (length + part + 1 > r->room) {
            size_t room = (length + part + 1) * 2;
            unsigned char *larger = realloc(r->decoded, room);
            if (!larger)
                abort();
            r->decoded = larger;
            r->room = room;
        }
        memcpy(r->decoded + length, start, part);
        length += part;
        r->at = quote + 1;
        if (!doubled) {
            *text = r->decoded;
            return length;
        }
        r->decoded[length++] = '"';
        start = ++r->at;
    }
}

/* Hashes one field and steps over what ends it; whether it ends its row too. */
static int read_field(reader_t *r, uint64_t *h)
{
    const unsigned char *text = r->at;
    size_t length;
    if (r->at < r->end && *r->at == '"') {
        length = decode(r, &text);
        if (r->at < r->end && *r->at == '\r')
            r->at++;
    } else {
        while (r->at < r->end && *r->at != ',' && *r->at != '\n')
            r->at++;
        length = (size_t)(r->at - text);
        if (length && r->at < r->end && *r->at == '\n' && text[length - 1] == '\r')
            length--;
    }
    *h = hash(text, length, *h);
    if (r->at >= r->end)
        return 1;
    unsigned char stop = *r->at++;
    if (stop != ',' && stop != '\n')
        r->failed = 1;
    return stop != ',';
}

static int read_row(reader_t *r, uint64_t *h)
{
    int fields = 0, last;
    *h = 0;
    do {
        last = read_field(r, h);
        fields++;
    } while (!last);
    return fields;
}

static void digest_rows(reader_t *r, digest_t *digest)
{
    uint64_t h;
    if (r->at < r->end)
        read_row(r, &h); /* the header: names differ */
    while (r->at < r->end) {
        r->failed = 0;
        if (read_row(r, &h) != 3 || r->failed)
            digest->bad++;
        digest->rows++;
        digest->ordered = mix(digest->ordered, h);
        digest->sum += h;
        digest->squares += mix(h, h >> 32);
    }
}

/* 0, or -1 with errno. */
int pb_digest(const char *path, digest_t *digest)
{
    memset(digest, 0, sizeof *digest);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0)
        return -1;
    if (fstat(fd, &status) < 0) {
        close(fd);
        return -1;
    }
    size_t size = digest->size = (uint64_t)status.st_size;
    if (!size)
        return close(fd);
    unsigned char *data = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (data == MAP_FAILED)
        return -1;
    digest->bytes = hash(data, size, 0);
    reader_t reader = {data, data + size, NULL, 0, 0};
    digest_rows(&reader, digest);
    free(reader.decoded);
    return munmap(data, size);
}
