/*
 * Conflux starts the guards of its upstreams by `/proc/self/exe`. Where valgrind runs it, that link
 * leads to valgrind; only who reads it is told the program. Preloaded, this reads it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

static const char SELF[] = "/proc/self/exe";

/* Returns the program if `file` is the link, and `file` if it is not. */
static const char *resolved(const char *file, char room[PATH_MAX]) {
    if (strcmp(file, SELF) != 0) {
        return file;
    }
    ssize_t length = readlink(SELF, room, PATH_MAX - 1);
    if (length < 0) {
        return file;
    }
    room[length] = '\0';
    return room;
}

int posix_spawnp(pid_t *id, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const arguments[],
                 char *const environment[]) {
    int (*spawn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                 const posix_spawnattr_t *, char *const[], char *const[]) =
        dlsym(RTLD_NEXT, "posix_spawnp");
    char room[PATH_MAX];
    return spawn(id, resolved(file, room), actions, attributes, arguments, environment);
}

int execvp(const char *file, char *const arguments[]) {
    int (*execute)(const char *, char *const[]) = dlsym(RTLD_NEXT, "execvp");
    char room[PATH_MAX];
    return execute(resolved(file, room), arguments);
}
