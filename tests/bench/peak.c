/*
 * The most memory that a process ever has resident. The usage that a parent is told of its child (`ru_maxrss`) does not
 * do: Linux counts into it what was there before exec, and that is the parent's. So this follows the program and those
 * that it starts, stops each before it ends, and reads VmHWM there, which begins anew at exec.
 *
 * usage: peak PROGRAM ARGUMENT...    runs it, and prints the most that one of the processes had, in KiB, to standard error
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(125);
}

static long high_water(int pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "re");
	if (!status)
		die(path);
	while (fgets(line, sizeof(line), status))
		if (sscanf(line, "VmHWM: %ld kB", &kib) == 1)
			break;
	fclose(status);
	return kib;
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACEEXIT | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			     PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
	int first, pid, status, code = 125;
	long most = -1;

	if (argc < 2)
		return 125;
	first = fork();
	if (first < 0)
		die("fork");
	if (first == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP))
			die("ptrace");
		execv(argv[1], argv + 1);
		die(argv[1]);
	}
	if (waitpid(first, &status, 0) != first || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, first, NULL, options) < 0 || ptrace(PTRACE_CONT, first, NULL, NULL) < 0)
		die("ptrace");
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int signal = 0;

		if (!WIFSTOPPED(status)) {
			if (pid == first)
				code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			continue;
		}
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) {
			long kib = high_water(pid);

			most = kib > most ? kib : most;
		} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
			signal = WSTOPSIG(status);
		}
		ptrace(PTRACE_CONT, pid, NULL, (long)signal);
	}
	fprintf(stderr, "%ld\n", most);
	return code;
}
