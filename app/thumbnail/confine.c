/*
 * Resource limits and the filter of system calls (seccomp). What is not on the list fails with ENOSYS; what nothing harmless
 * ever does ends the process.
 */
#include "app/thumbnail/confine.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <seccomp.h>

enum { CPU_SECONDS = 10, FILES = 16 };

static const rlim_t max_memory_bytes = (rlim_t)2
	<< 30; /* of address space: libraries and stacks count */
static const rlim_t max_result_bytes = (rlim_t)64 << 20; /* the largest, as if not compressed */

static void limit(int resource, rlim_t soft, rlim_t hard)
{
	const struct rlimit both = {.rlim_cur = soft, .rlim_max = hard};
	(void)setrlimit((__rlimit_resource_t)resource, &both);
}

void confine_resources(void)
{
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	limit(RLIMIT_CORE, 0, 0);
	/* By a signal that says so: SIGXCPU. At the hard limit it would be SIGKILL, as when the machine is at fault. */
	limit(RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + 1);
	limit(RLIMIT_FSIZE, max_result_bytes, max_result_bytes);
	limit(RLIMIT_NOFILE, FILES, FILES);
	limit(RLIMIT_AS, max_memory_bytes, max_memory_bytes);
}

static const int allowed[] = {
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(fcntl),
	SCMP_SYS(fadvise64),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(brk),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(get_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(tgkill),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(getrandom),
	SCMP_SYS(getrusage),
	SCMP_SYS(sysinfo),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	SCMP_SYS(connect),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kill),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat2),
};

/* Memory may be mapped, but not so that it can be run; threads may be made, but not processes. */
static int add_conditions(scmp_filter_ctx filter)
{
	int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
		SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
		SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
	failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
		SCMP_CMP64(0, SCMP_CMP_EQ, PR_SET_NAME, 0));
	return failed;
}

bool confine_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	if (filter == NULL) {
		return false;
	}
	int failed = add_conditions(filter);
	for (size_t i = 0; i < COUNT_OF(allowed); i++) {
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	}
	for (size_t i = 0; i < COUNT_OF(deadly); i++) {
		failed |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
	}
	failed |= seccomp_load(filter); /* sets no_new_privs first */
	seccomp_release(filter);
	return failed == 0;
}
