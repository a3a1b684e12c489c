/* What a power cut does to a disk, for a process that is started with LD_PRELOAD=shim.so.
 *
 * It stands between the daemon and libc for the files of one directory, and needs no hook in the daemon:
 *
 *   SHIM_STORE    the directory; nothing outside of it is touched
 *   SHIM_COUNT    a file of two numbers (u64, host order): syncs in the directory, and those of the store's log
 *   SHIM_KILL_AT  SIGKILL at this sync, counting from 1 ...
 *   SHIM_KILL_WHEN  ... "before" it reaches the disk, or "after" it did and before the caller knows
 *   SHIM_DELAY_US every sync takes so much longer
 *   SHIM_SHADOW   a directory that is kept as the disk would stand after a cut: only what was synced is in it. A file's name is
 *                 durable with its own first sync (as on ext4), its removal with a sync of the directory
 *   SHIM_SWALLOW  syncs of the database and its log say that all is well and do nothing: what synchronous=OFF would be
 *   SHIM_NO_DISK  syncs do not reach the real disk (a killed process loses no page cache): quicker, and the disk's mood stays out
 *   SHIM_FULL     while this file is there, it says in bytes what the directory's files may hold together; past it ENOSPC.
 *                 A negative number is a file system that copies on write: not even what is there may be written over
 *   SHIM_READ_ONLY  while this file is there, nothing in the directory is opened for writing or written: EROFS
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 32, NAME = 128, PATH = 1024 };

struct file {
    char name[NAME];
    off_t low, high; /* written and not synced: [low, high) */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES];
static char store[PATH];
static size_t store_length;
static const char *shadow, *full, *read_only;
static uint64_t *count, own_count[2], kill_at;
static int kill_before, swallow, no_disk;
static useconds_t delay;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_ftruncate)(int, off_t);
static int (*real_open)(const char *, int, ...);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_ftruncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_open = dlsym(RTLD_NEXT, "open64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    const char *text = getenv("SHIM_STORE");
    if (text) store_length = (size_t)snprintf(store, sizeof store, "%s", text);
    shadow = getenv("SHIM_SHADOW");
    full = getenv("SHIM_FULL");
    read_only = getenv("SHIM_READ_ONLY");
    swallow = getenv("SHIM_SWALLOW") != NULL;
    no_disk = getenv("SHIM_NO_DISK") != NULL;
    if ((text = getenv("SHIM_KILL_AT"))) kill_at = strtoull(text, NULL, 10);
    kill_before = (text = getenv("SHIM_KILL_WHEN")) && strcmp(text, "before") == 0;
    if ((text = getenv("SHIM_DELAY_US"))) delay = (useconds_t)strtoul(text, NULL, 10);
    count = own_count;
    if ((text = getenv("SHIM_COUNT"))) {
        int fd = real_open(text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd >= 0 && real_ftruncate(fd, 16) == 0) {
            void *at = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (at != MAP_FAILED) count = at;
        }
        if (fd >= 0) close(fd);
    }
}

/* The name within the store of what stands behind `fd`; "" is the directory itself, NULL is none of ours. */
static const char *name_of(int fd, char path[PATH]) {
    struct stat status;
    char link[64];
    if (!store_length || fstat(fd, &status) || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH - 1);
    if (length < 0) return NULL;
    path[length] = 0;
    if (strncmp(path, store, store_length)) return NULL;
    if (path[store_length] == 0) return path + store_length;
    if (path[store_length] != '/' || strchr(path + store_length + 1, '/')) return NULL;
    return path + store_length + 1;
}

static int ends(const char *name, const char *end) {
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

static struct file *file_of(const char *name) {
    for (int i = 0; i < FILES; i++) {
        if (files[i].name[0] == 0) {
            snprintf(files[i].name, NAME, "%s", name);
            files[i].low = files[i].high = 0;
            return &files[i];
        }
        if (strncmp(files[i].name, name, NAME - 1) == 0) return &files[i];
    }
    abort(); /* more files than a store has: the shim has to be looked at */
}

static void wrote(const char *name, off_t from, off_t to) {
    if (!shadow || from >= to) return;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(name);
    if (file->low == file->high) {
        file->low = from;
        file->high = to;
    } else {
        if (from < file->low) file->low = from;
        if (to > file->high) file->high = to;
    }
    pthread_mutex_unlock(&lock);
}

static int is_frozen(void) { return read_only && access(read_only, F_OK) == 0; }

/* Whether so many more bytes find no room. */
static int is_full(off_t growth) {
    char text[32] = "", path[PATH * 2];
    int fd = full ? real_open(full, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length < 0) return 0;
    off_t room = strtoll(text, NULL, 10);
    if (room < 0) return 1;
    off_t taken = growth;
    DIR *dir = opendir(store);
    struct dirent *entry;
    struct stat status;
    while (dir && (entry = readdir(dir))) {
        snprintf(path, sizeof path, "%s/%s", store, entry->d_name);
        if (stat(path, &status) == 0 && S_ISREG(status.st_mode)) taken += status.st_size;
    }
    if (dir) closedir(dir);
    return growth > 0 && taken > room;
}

/* Why `fd` does not take bytes up to `end`; 0 = it does. */
static int refused(int fd, off_t end) {
    struct stat now;
    if (is_frozen()) return EROFS;
    return fstat(fd, &now) == 0 && is_full(end - now.st_size) ? ENOSPC : 0;
}

/* What was written to this file since its last sync is on the disk now. */
static void keep(int fd, const char *name) {
    char path[PATH * 2], block[65536];
    struct stat now;
    snprintf(path, sizeof path, "%s/%s", shadow, name);
    int fresh = access(path, F_OK) != 0;
    int to = real_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    /* The file may be open for writing only. */
    char own[PATH * 2];
    snprintf(own, sizeof own, "%s/%s", store, name);
    int from = real_open(own, O_RDONLY | O_CLOEXEC);
    if (to < 0 || from < 0 || fstat(fd, &now)) abort();
    struct file *file = file_of(name);
    off_t at = fresh ? 0 : file->low, end = fresh ? now.st_size : file->high;
    if (strcmp(name, "reserve") == 0) end = at; /* its content is of no interest */
    if (end > now.st_size) end = now.st_size;
    while (at < end) {
        size_t want = (size_t)(end - at) < sizeof block ? (size_t)(end - at) : sizeof block;
        ssize_t got = pread(from, block, want, at);
        if (got <= 0 || real_pwrite(to, block, (size_t)got, at) != got) abort();
        at += got;
    }
    if (real_ftruncate(to, now.st_size)) abort();
    file->low = file->high = 0;
    close(to);
    close(from);
}

/* Names that are gone from the directory are gone for good. */
static void keep_names(void) {
    DIR *dir = opendir(shadow);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char own[PATH * 2], path[PATH * 2];
        if (entry->d_name[0] == '.') continue;
        snprintf(own, sizeof own, "%s/%s", store, entry->d_name);
        snprintf(path, sizeof path, "%s/%s", shadow, entry->d_name);
        if (access(own, F_OK)) unlink(path);
    }
    if (dir) closedir(dir);
}

static int synced(int fd, int (*real)(int)) {
    char path[PATH];
    const char *name = name_of(fd, path);
    if (!name) return real(fd);
    uint64_t number = __atomic_add_fetch(&count[0], 1, __ATOMIC_SEQ_CST);
    if (ends(name, "-wal")) __atomic_add_fetch(&count[1], 1, __ATOMIC_SEQ_CST);
    if (number == kill_at && kill_before) kill(getpid(), SIGKILL);
    if (delay) usleep(delay);
    int database = ends(name, ".db") || ends(name, "-wal");
    int result = no_disk || (swallow && database) ? 0 : real(fd);
    if (result == 0 && shadow && !(swallow && database)) {
        pthread_mutex_lock(&lock);
        if (name[0]) keep(fd, name); else keep_names();
        pthread_mutex_unlock(&lock);
    }
    if (number == kill_at) kill(getpid(), SIGKILL);
    return result;
}

int fsync(int fd) { return synced(fd, real_fsync); }
int fdatasync(int fd) { return synced(fd, real_fdatasync); }

ssize_t write(int fd, const void *bytes, size_t length) {
    char path[PATH];
    const char *name = name_of(fd, path);
    if (!name) return real_write(fd, bytes, length);
    off_t at = fcntl(fd, F_GETFL) & O_APPEND ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    int why = refused(fd, at + (off_t)length);
    if (why) return errno = why, -1;
    ssize_t written = real_write(fd, bytes, length);
    if (written > 0) wrote(name, at, at + written);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off_t at) {
    char path[PATH];
    const char *name = name_of(fd, path);
    if (!name) return real_pwrite(fd, bytes, length, at);
    int why = refused(fd, at + (off_t)length);
    if (why) return errno = why, -1;
    ssize_t written = real_pwrite(fd, bytes, length, at);
    if (written > 0) wrote(name, at, at + written);
    return written;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return pwrite64(fd, bytes, length, at); }

int ftruncate64(int fd, off_t length) {
    char path[PATH];
    const char *name = name_of(fd, path);
    struct stat before;
    if (!name || fstat(fd, &before)) return real_ftruncate(fd, length);
    int why = refused(fd, length);
    if (why) return errno = why, -1;
    int result = real_ftruncate(fd, length);
    /* What lies beyond a smaller end reads as zeros when the file grows again. */
    if (result == 0) wrote(name, length < before.st_size ? length : before.st_size, length > before.st_size ? length : before.st_size);
    return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int opened(const char *path, int flags, mode_t mode) {
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    int ours = store_length && strncmp(path, store, store_length) == 0 && path[store_length] == '/';
    if (writes && ours && is_frozen()) return errno = EROFS, -1;
    return real_open(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode);
}
