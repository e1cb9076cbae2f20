// A module for tests: types with the names, commands and replies of RedisJSON
// and RedisTimeSeries, as far as keylift uses them. JSON.SET takes any text for a
// document.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// The server's functions are found by name. (Redis: module.c.)
typedef struct ctx ctx;
typedef struct io io;
typedef struct key key;
typedef struct string string;
typedef struct type type;
typedef int command(ctx *, string **, int);

// What the server asks of a type; version 1.
struct methods {
    uint64_t version;
    void *(*load)(io *, int);
    void (*save)(io *, void *);
    void (*rewrite)(io *, string *, void *);
    size_t (*usage)(const void *);
    void (*digest)(void *, void *);
    void (*release)(void *);
};

static int (*find)(const char *, void *);
static int (*SetModuleAttribs)(ctx *, const char *, int, int);
static int (*CreateCommand)(ctx *, const char *, command *, const char *, int, int, int);
static type *(*CreateDataType)(ctx *, const char *, int, struct methods *);
static key *(*OpenKey)(ctx *, string *, int);
static void (*CloseKey)(key *);
static int (*KeyType)(key *);
static type *(*ModuleTypeGetType)(key *);
static void *(*ModuleTypeGetValue)(key *);
static int (*ModuleTypeSetValue)(key *, type *, void *);
static const char *(*StringPtrLen)(string *, size_t *);
static int (*StringToLongLong)(string *, long long *);
static int (*ReplyWithError)(ctx *, const char *);
static int (*ReplyWithSimpleString)(ctx *, const char *);
static int (*ReplyWithStringBuffer)(ctx *, const char *, size_t);
static int (*ReplyWithLongLong)(ctx *, long long);
static int (*ReplyWithArray)(ctx *, long);
static int (*ReplyWithNull)(ctx *);
static int (*ReplicateVerbatim)(ctx *);
static int (*NotifyKeyspaceEvent)(ctx *, int, const char *, string *);
static void (*SaveStringBuffer)(io *, const char *, size_t);
static char *(*LoadStringBuffer)(io *, size_t *);
static void (*Free)(void *);

enum { ok = 0, readable = 1, writable = 2, empty = 0, moduleEvent = 1 << 13 };
#define WRONGTYPE "WRONGTYPE Operation against a key holding the wrong kind of value"
#define NOSERIES "ERR TSDB: the key does not exist"

static type *json, *series;

// A value of either type: a document, or an array of samples.
struct value { size_t used, size; char *bytes; };
struct sample { long long at; char text[32]; };

static struct value *make(const char *bytes, size_t n) {
    struct value *v = malloc(sizeof *v);
    v->used = v->size = n;
    v->bytes = malloc(n + 1);
    memcpy(v->bytes, bytes, n);
    return v;
}

static void *load(io *f, int version) {
    (void)version;
    size_t n;
    char *bytes = LoadStringBuffer(f, &n);
    struct value *v = make(bytes, n);
    Free(bytes);
    return v;
}
static void save(io *f, void *p) { struct value *v = p; SaveStringBuffer(f, v->bytes, v->used); }
static void rewrite(io *f, string *k, void *p) { (void)f, (void)k, (void)p; }
static size_t usage(const void *p) { return sizeof(struct value) + ((const struct value *)p)->size; }
static void release(void *p) { free(((struct value *)p)->bytes); free(p); }

// look opens a key of type t, NULL: it is of another. *v is NULL where there is none.
static key *look(ctx *c, string *name, int mode, type *t, struct value **v) {
    key *k = OpenKey(c, name, mode);
    *v = NULL;
    if (k == NULL || KeyType(k) == empty) return k;
    if (ModuleTypeGetType(k) != t) { CloseKey(k); return NULL; }
    *v = ModuleTypeGetValue(k);
    return k;
}

static int changed(ctx *c, key *k, const char *event, string *name) {
    CloseKey(k);
    NotifyKeyspaceEvent(c, moduleEvent, event, name);
    return ReplicateVerbatim(c);
}

// JSON.SET key path text
static int jsonSet(ctx *c, string **args, int n) {
    if (n != 4) return ReplyWithError(c, "ERR wrong number of arguments");
    size_t length;
    const char *text = StringPtrLen(args[3], &length);
    key *k = OpenKey(c, args[1], readable | writable);
    ModuleTypeSetValue(k, json, make(text, length));
    changed(c, k, "json.set", args[1]);
    return ReplyWithSimpleString(c, "OK");
}

// JSON.GET key [path]
static int jsonGet(ctx *c, string **args, int n) {
    if (n != 2 && n != 3) return ReplyWithError(c, "ERR wrong number of arguments");
    struct value *v;
    string *name = args[1];
    key *k = OpenKey(c, name, readable);
    if (k == NULL) return ReplyWithNull(c);
    CloseKey(k);
    if ((k = look(c, name, readable, json, &v)) == NULL) return ReplyWithError(c, "Existing key has wrong Redis type");
    size_t length = 1;
    const char *path = n == 3 ? StringPtrLen(args[2], &length) : ".";
    if (length == 1 && *path == '.') {
        ReplyWithStringBuffer(c, v->bytes, v->used);
    } else { // a path of the newer kind answers with an array of what it finds
        char *all = malloc(v->used + 2);
        all[0] = '[', all[v->used + 1] = ']';
        memcpy(all + 1, v->bytes, v->used);
        ReplyWithStringBuffer(c, all, v->used + 2);
        free(all);
    }
    CloseKey(k);
    return ok;
}

// TS.ADD key ms value: behind the last sample, or in place of one.
static int tsAdd(ctx *c, string **args, int n) {
    struct sample s = {0};
    if (n != 4 || StringToLongLong(args[2], &s.at) != ok) return ReplyWithError(c, "ERR TSDB: wrong arguments");
    size_t length;
    const char *text = StringPtrLen(args[3], &length);
    if (length >= sizeof s.text) return ReplyWithError(c, "ERR TSDB: invalid value");
    memcpy(s.text, text, length);
    struct value *v;
    key *k = look(c, args[1], readable | writable, series, &v);
    if (k == NULL) return ReplyWithError(c, WRONGTYPE);
    if (v == NULL) ModuleTypeSetValue(k, series, v = make("", 0));
    struct sample *all = (struct sample *)v->bytes;
    size_t i = v->used / sizeof s;
    while (i > 0 && all[i - 1].at > s.at) i--;
    if (i > 0 && all[i - 1].at == s.at) {
        all[i - 1] = s;
    } else {
        if (v->used + sizeof s > v->size) v->bytes = realloc(v->bytes, v->size = 2 * v->size + sizeof s);
        all = (struct sample *)v->bytes;
        memmove(all + i + 1, all + i, v->used - i * sizeof s);
        all[i] = s;
        v->used += sizeof s;
    }
    changed(c, k, "ts.add", args[1]);
    return ReplyWithLongLong(c, s.at);
}

// TS.DEL key from to
static int tsDel(ctx *c, string **args, int n) {
    long long from, to;
    if (n != 4 || StringToLongLong(args[2], &from) != ok || StringToLongLong(args[3], &to) != ok)
        return ReplyWithError(c, "ERR TSDB: wrong arguments");
    struct value *v;
    key *k = look(c, args[1], readable | writable, series, &v);
    if (k == NULL || v == NULL) return ReplyWithError(c, NOSERIES);
    struct sample *all = (struct sample *)v->bytes;
    size_t kept = 0, count = v->used / sizeof *all;
    for (size_t i = 0; i < count; i++)
        if (all[i].at < from || all[i].at > to) all[kept++] = all[i];
    v->used = kept * sizeof *all;
    changed(c, k, "ts.del", args[1]);
    return ReplyWithLongLong(c, (long long)(count - kept));
}

// bound reads a moment, or - or +.
static int bound(string *arg, long long *at) {
    size_t length;
    const char *text = StringPtrLen(arg, &length);
    if (length == 1 && *text == '-') return *at = 0, ok;
    if (length == 1 && *text == '+') return *at = INT64_MAX, ok;
    return StringToLongLong(arg, at);
}

// TS.RANGE key from to [COUNT n]
static int tsRange(ctx *c, string **args, int n) {
    long long from, to, most = INT64_MAX, answered = 0;
    size_t length;
    if ((n != 4 && n != 6) || bound(args[2], &from) != ok || bound(args[3], &to) != ok ||
        (n == 6 && (strncasecmp(StringPtrLen(args[4], &length), "COUNT", 5) != 0 || StringToLongLong(args[5], &most) != ok)))
        return ReplyWithError(c, "ERR TSDB: wrong arguments");
    struct value *v;
    key *k = OpenKey(c, args[1], readable);
    if (k == NULL) return ReplyWithError(c, NOSERIES);
    CloseKey(k);
    if ((k = look(c, args[1], readable, series, &v)) == NULL) return ReplyWithError(c, WRONGTYPE);
    struct sample *all = (struct sample *)v->bytes;
    size_t count = v->used / sizeof *all, first = 0;
    while (first < count && all[first].at < from) first++;
    while (first + answered < count && answered < most && all[first + answered].at <= to) answered++;
    ReplyWithArray(c, answered);
    for (long long i = 0; i < answered; i++) {
        ReplyWithArray(c, 2);
        ReplyWithLongLong(c, all[first + i].at);
        ReplyWithSimpleString(c, all[first + i].text);
    }
    CloseKey(k);
    return ok;
}

// TS.INFO key
static int tsInfo(ctx *c, string **args, int n) {
    struct value *v;
    key *k = n == 2 ? OpenKey(c, args[1], readable) : NULL;
    if (k == NULL) return ReplyWithError(c, NOSERIES);
    CloseKey(k);
    if ((k = look(c, args[1], readable, series, &v)) == NULL) return ReplyWithError(c, WRONGTYPE);
    struct sample *all = (struct sample *)v->bytes;
    size_t count = v->used / sizeof *all;
    ReplyWithArray(c, 8);
    ReplyWithSimpleString(c, "totalSamples");
    ReplyWithLongLong(c, (long long)count);
    ReplyWithSimpleString(c, "memoryUsage");
    ReplyWithLongLong(c, (long long)usage(v));
    ReplyWithSimpleString(c, "firstTimestamp");
    ReplyWithLongLong(c, count > 0 ? all[0].at : 0);
    ReplyWithSimpleString(c, "lastTimestamp");
    ReplyWithLongLong(c, count > 0 ? all[count - 1].at : 0);
    CloseKey(k);
    return ok;
}

#define FIND(name) find("RedisModule_" #name, &name)

int RedisModule_OnLoad(ctx *c, string **args, int n) {
    (void)args, (void)n;
    memcpy(&find, c, sizeof find); // it begins with the function that finds the others
    FIND(SetModuleAttribs), FIND(CreateCommand), FIND(CreateDataType), FIND(OpenKey), FIND(CloseKey), FIND(KeyType);
    FIND(ModuleTypeGetType), FIND(ModuleTypeGetValue), FIND(ModuleTypeSetValue), FIND(StringPtrLen), FIND(StringToLongLong);
    FIND(ReplyWithError), FIND(ReplyWithSimpleString), FIND(ReplyWithStringBuffer), FIND(ReplyWithLongLong), FIND(ReplyWithArray);
    FIND(ReplyWithNull), FIND(ReplicateVerbatim), FIND(NotifyKeyspaceEvent), FIND(SaveStringBuffer), FIND(LoadStringBuffer);
    FIND(Free);
    SetModuleAttribs(c, "types", 1, 1);
    struct methods m = {.version = 1, .load = load, .save = save, .rewrite = rewrite, .usage = usage, .release = release};
    if ((json = CreateDataType(c, "ReJSON-RL", 3, &m)) == NULL || (series = CreateDataType(c, "TSDB-TYPE", 7, &m)) == NULL) return 1;
    static const struct { const char *name; command *run; const char *flags; } commands[] = {
        {"json.set", jsonSet, "write"}, {"json.get", jsonGet, "readonly"}, {"ts.add", tsAdd, "write"},
        {"ts.del", tsDel, "write"}, {"ts.range", tsRange, "readonly"}, {"ts.info", tsInfo, "readonly"},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (CreateCommand(c, commands[i].name, commands[i].run, commands[i].flags, 1, 1, 1) != ok) return 1;
    return ok;
}
