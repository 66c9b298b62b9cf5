/*
 * The least that any program has to do to look at the path managers of named network namespaces: enter each, open a
 * socket there, ask for limits and endpoints, receive all of it, and leave nothing open. The family's number is asked
 * for once, since it is the same everywhere. Nothing is compared, locked or printed.
 *
 * usage: netns_floor NAME...
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/mptcp.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Aligned as netlink messages have to be. */
static union {
	struct nlmsghdr header;
	char bytes[32768];
} answer;

struct request {
	struct nlmsghdr header;
	struct genlmsghdr command;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Receives until so many requests were answered to their end; the rows that came on the way. */
static int receive(int fd, int open, unsigned short *family)
{
	int rows = 0;

	while (open > 0) {
		ssize_t length = recv(fd, &answer, sizeof(answer), 0);

		if (length < 0)
			die("recv");
		for (struct nlmsghdr *message = &answer.header; NLMSG_OK(message, length);
		     message = NLMSG_NEXT(message, length)) {
			if (message->nlmsg_type == NLMSG_ERROR) {
				struct nlmsgerr *error = NLMSG_DATA(message);

				if (error->error) {
					errno = -error->error;
					die("the kernel refused");
				}
				open--;
			} else if (message->nlmsg_type == NLMSG_DONE) {
				open--;
			} else if (family) {
				char *end = (char *)message + message->nlmsg_len;
				char *attribute = (char *)NLMSG_DATA(message) + GENL_HDRLEN;

				while (attribute + NLA_HDRLEN <= end) {
					struct nlattr *header = (struct nlattr *)attribute;

					if (header->nla_type == CTRL_ATTR_FAMILY_ID)
						memcpy(family, attribute + NLA_HDRLEN, sizeof(*family));
					attribute += NLA_ALIGN(header->nla_len);
				}
			} else {
				rows++;
			}
		}
	}
	return rows;
}

static unsigned short resolve(int fd)
{
	static const char name[] = "mptcp_pm";
	struct {
		struct request request;
		struct nlattr attribute;
		char name[NLA_ALIGN(sizeof(name))];
	} ask = {
		.request.header = {
			.nlmsg_len = sizeof(ask),
			.nlmsg_type = GENL_ID_CTRL,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
		},
		.request.command = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
		.attribute = { .nla_len = NLA_HDRLEN + sizeof(name), .nla_type = CTRL_ATTR_FAMILY_NAME },
	};
	unsigned short family = 0;

	memcpy(ask.name, name, sizeof(name));
	if (send(fd, &ask, sizeof(ask), 0) < 0)
		die("send");
	receive(fd, 1, &family);
	return family;
}

/* Limits count as one row. */
static int look(int fd, unsigned short family)
{
	struct request both[2] = {
		{
			.header = {
				.nlmsg_len = sizeof(struct request),
				.nlmsg_type = family,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
			},
			.command = { .cmd = MPTCP_PM_CMD_GET_LIMITS, .version = MPTCP_PM_VER },
		},
		{
			.header = {
				.nlmsg_len = sizeof(struct request),
				.nlmsg_type = family,
				.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			},
			.command = { .cmd = MPTCP_PM_CMD_GET_ADDR, .version = MPTCP_PM_VER },
		},
	};

	if (send(fd, both, sizeof(both), 0) < 0)
		die("send");
	return receive(fd, 2, NULL);
}

int main(int argc, char **argv)
{
	unsigned short family = 0;
	long rows = 0;

	for (int i = 1; i < argc; i++) {
		char path[512];
		int namespace, fd;

		snprintf(path, sizeof(path), "/run/netns/%s", argv[i]);
		namespace = open(path, O_RDONLY | O_CLOEXEC);
		if (namespace < 0 || setns(namespace, CLONE_NEWNET) < 0)
			die(path);
		close(namespace);
		fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
		if (fd < 0)
			die("socket");
		if (!family)
			family = resolve(fd);
		rows += look(fd, family);
		close(fd);
	}
	printf("%ld\n", rows);
	return 0;
}
