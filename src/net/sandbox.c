/* A seccomp filter with a list of allowed calls, and Landlock rules. */
#include "net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* The calls that loops make, and libc for them. A comment names a rare caller. */
static const uint32_t allowed_calls[] = {
    /* sockets */
    __NR_accept4,
    __NR_close,
    __NR_connect, /* datagram sockets only, see below: to find the address of the default route */
    __NR_epoll_ctl,
    __NR_epoll_pwait,
    __NR_getpeername,
    __NR_getsockname,
    __NR_getsockopt,
    __NR_io_uring_enter,
    __NR_ioctl,
    __NR_ppoll,
    __NR_read,
    __NR_readv,
    __NR_recvfrom,
    __NR_recvmsg,
    __NR_sendmsg,
    __NR_sendto,
    __NR_setsockopt,
    __NR_shutdown,
    __NR_write,
    __NR_writev,
    /* memory */
    __NR_brk,
    __NR_madvise,
    __NR_mmap,
    __NR_mprotect,
    __NR_mremap,
    __NR_munmap,
    __NR_sysinfo, /* qsort() of the members of a large room, for what is recorded of it */
    /* threads, time, randomness */
    __NR_clock_gettime,
    __NR_clock_nanosleep,
    __NR_exit,
    __NR_exit_group,
    __NR_futex,
    __NR_getpid,
    __NR_getrandom,
    __NR_gettid,
    __NR_nanosleep,
    __NR_restart_syscall,
    __NR_rt_sigprocmask,
    __NR_rt_sigreturn,
    __NR_sched_getaffinity, /* malloc, for its arenas */
    __NR_sched_yield,
    __NR_set_robust_list,
    __NR_sigaltstack, /* sanitizers */
    __NR_tgkill,      /* abort() */
#ifdef __NR_rseq
    __NR_rseq,
#endif
    /* files: the spare descriptor, and the process's memory use */
    __NR_fstat,
    __NR_lseek,
    __NR_openat,
#ifdef __NR_newfstatat
    __NR_newfstatat,
#endif
#ifdef __NR_epoll_wait
    __NR_epoll_wait,
#endif
#ifdef __NR_poll
    __NR_poll,
#endif
#ifdef __NR_open
    __NR_open,
#endif
};

#define ALLOWED_CALLS (sizeof allowed_calls / sizeof allowed_calls[0])
#define FILTER_INSTRUCTIONS (ALLOWED_CALLS + 13)

/* Landlock's interface since Linux 5.13, defined here because libc's headers may be older. */
#define LANDLOCK_VERSION_FLAG 1u
#define LANDLOCK_PATH_BENEATH 1
#define ACCESS_READ_FILE (UINT64_C(1) << 2)
#define ACCESS_READ_FOLDER (UINT64_C(1) << 3)
#define ACCESS_NET_ALL UINT64_C(3)

struct landlock_rules {
    uint64_t files; /* the rights that are taken away unless a rule allows them */
    uint64_t net;   /* since version 4 */
};

struct __attribute__((packed)) landlock_path {
    uint64_t allowed;
    int32_t folder_fd;
};

static atomic_bool is_told;

/* Async-signal-safe: calls only write(2). The caller restores errno. */
static void tell_once(int call)
{
    char text[] =
        "party-sockets: the sandbox refused system call 0000 (--no-sandbox: no sandbox)\n";
    char *digits = __builtin_strstr(text, "0000");
    if (atomic_exchange(&is_told, true))
        return;
    for (int i = 3; i >= 0; i--, call /= 10)
        digits[i] = (char)('0' + call % 10);
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
}

static void refuse_call(int number, siginfo_t *info, void *context)
{
    int error = errno;
    ucontext_t *thread = context;
    (void)number;
#if defined(__x86_64__)
    thread->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
#elif defined(__aarch64__)
    thread->uc_mcontext.regs[0] = (uint64_t)-ENOSYS;
#else
    (void)thread;
#endif
    tell_once(info->si_syscall);
    errno = error;
}

void sandbox_init(void)
{
    struct sigaction action = {.sa_sigaction = refuse_call, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGSYS, &action, NULL);
}

static void allow_path(int rules_fd, const char *path, uint64_t access)
{
    struct landlock_path rule = {.allowed = access, .folder_fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.folder_fd < 0)
        return;
    (void)syscall(__NR_landlock_add_rule, rules_fd, LANDLOCK_PATH_BENEATH, &rule, 0);
    close(rule.folder_fd);
}

/* The rights over files that a version of Landlock knows: 13, and one more each in 2, 3 and 5. */
static uint64_t rights_of_files(long version)
{
    unsigned count = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;
    return (UINT64_C(1) << count) - 1;
}

/* Landlock may be missing; the filter works without it. */
static void forbid_files(void)
{
    long version = syscall(__NR_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
    if (version < 1)
        return;
    struct landlock_rules rules = {.files = rights_of_files(version), .net = ACCESS_NET_ALL};
    size_t size = version >= 4 ? sizeof rules : sizeof rules.files;
    int rules_fd = (int)syscall(__NR_landlock_create_ruleset, &rules, size, 0);
    if (rules_fd < 0)
        return;
    allow_path(rules_fd, "/dev/null", ACCESS_READ_FILE);
    allow_path(rules_fd, "/proc/self", ACCESS_READ_FILE | ACCESS_READ_FOLDER);
    (void)syscall(__NR_landlock_restrict_self, rules_fd, 0);
    close(rules_fd);
}

#ifdef OUR_ARCHITECTURE
#define LOAD(field) \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define SKIP_IF_EQUAL(value, skipped) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skipped, 0)
#define SKIP_UNLESS_EQUAL(value, skipped) \
    (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped)
#define RETURN(action) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, action)

static bool filter_calls(void)
{
    struct sock_filter filter[FILTER_INSTRUCTIONS];
    unsigned short length = 0;
    filter[length++] = LOAD(arch);
    filter[length++] = SKIP_IF_EQUAL(OUR_ARCHITECTURE, 1);
    filter[length++] = RETURN(SECCOMP_RET_ERRNO | ENOSYS);
    filter[length++] = LOAD(nr);
    for (size_t i = 0; i < ALLOWED_CALLS; i++) /* skips to the last instruction */
        filter[length++] = SKIP_IF_EQUAL(allowed_calls[i], (uint8_t)(ALLOWED_CALLS - i + 7));
    /*
     * Only these two kinds of sockets may be created, and sockets bound: libc needs them to list
     * the machine's addresses.
     */
    filter[length++] = SKIP_IF_EQUAL(__NR_bind, 7);
    filter[length++] = SKIP_UNLESS_EQUAL(__NR_socket, 5);
    filter[length++] = LOAD(args[0]);
    filter[length++] = SKIP_IF_EQUAL(AF_NETLINK, 4);
    filter[length++] = SKIP_UNLESS_EQUAL(AF_INET, 2);
    filter[length++] = LOAD(args[1]);
    filter[length++] = SKIP_IF_EQUAL(SOCK_DGRAM | SOCK_CLOEXEC, 1);
    filter[length++] = RETURN(SECCOMP_RET_TRAP);
    filter[length++] = RETURN(SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = length, .filter = filter};
    return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
#else
static bool filter_calls(void)
{
    errno = ENOSYS; /* refuse_call() does not know this machine's registers */
    return false;
}
#endif

bool sandbox_enter(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return false;
    forbid_files();
    return filter_calls();
}
