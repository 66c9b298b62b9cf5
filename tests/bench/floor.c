/*
 * The least that any program has to do for what the benchmark measures: one socket, the requests, and all of their
 * answers. What mptcp-apply does beyond that is not here: no file is read and nothing is parsed but the words below, no
 * name is looked up, nothing is compared with what is there, locked, verified afterwards, undone when a step is
 * refused, or reported. A refusal ends it.
 *
 * usage: floor read                                 the family's number, limits, the table
 *        floor add SUBFLOWS ADD_ADDR_ACCEPTED ROW...  sets limits and adds rows
 *        floor flags ROW                            sets the flags of a row
 *        floor replace ROW...                       removes the rows with these ids, and adds these
 *        floor namespaces NAME...                   `read` in each of these
 *
 * A ROW is ADDRESS,ID,FLAGS,IFINDEX, flags as a number, 0 for no interface. Reading prints how many rows came, limits
 * being one. Requests are sent as many in one system call as the default receive buffer has room for answers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
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

/* The kernel answers each request with a buffer of its own; a few hundred of them would be lost. */
#define REQUESTS_MAX 64
/* More than any request here has. */
#define REQUEST_SIZE 128

/* Aligned as netlink messages have to be. */
union buffer {
	struct nlmsghdr header;
	char bytes[32768];
};
static union buffer requests, answer;
_Static_assert(REQUESTS_MAX * REQUEST_SIZE <= sizeof(requests), "room for as many as are sent at once");
static size_t filled;
static int pending;
static int fd;
static unsigned short family;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Receives until all pending requests were answered to their end; the rows that came on the way. */
static int receive(unsigned short *found)
{
	int rows = 0;

	while (pending > 0) {
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
				pending--;
			} else if (message->nlmsg_type == NLMSG_DONE) {
				pending--;
			} else if (found) {
				char *end = (char *)message + message->nlmsg_len;
				char *attribute = (char *)NLMSG_DATA(message) + GENL_HDRLEN;

				while (attribute + NLA_HDRLEN <= end) {
					struct nlattr *header = (struct nlattr *)attribute;

					if (header->nla_type == CTRL_ATTR_FAMILY_ID)
						memcpy(found, attribute + NLA_HDRLEN, sizeof(*found));
					attribute += NLA_ALIGN(header->nla_len);
				}
			} else {
				rows++;
			}
		}
	}
	return rows;
}

/* Sends what was collected, and receives the answers. */
static int exchange(unsigned short *found)
{
	if (filled > 0 && send(fd, &requests, filled, 0) < 0)
		die("send");
	filled = 0;
	return receive(found);
}

static struct nlmsghdr *request(unsigned short type, unsigned short flags, unsigned char command)
{
	struct nlmsghdr *header;
	struct genlmsghdr *generic;

	if (pending == REQUESTS_MAX)
		exchange(NULL);
	header = (struct nlmsghdr *)(requests.bytes + filled);
	generic = NLMSG_DATA(header);
	memset(header, 0, REQUEST_SIZE);
	header->nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | flags;
	generic->cmd = command;
	generic->version = 1;
	pending++;
	return header;
}

static struct nlattr *put(struct nlmsghdr *header, unsigned short type, const void *value, unsigned short length)
{
	struct nlattr *attribute = (struct nlattr *)((char *)header + header->nlmsg_len);

	attribute->nla_type = type;
	attribute->nla_len = NLA_HDRLEN + length;
	if (length)
		memcpy((char *)attribute + NLA_HDRLEN, value, length);
	header->nlmsg_len += NLA_ALIGN(attribute->nla_len);
	return attribute;
}

static void finish(struct nlmsghdr *header)
{
	filled += header->nlmsg_len;
}

static void resolve(void)
{
	static const char name[] = MPTCP_PM_NAME;
	struct nlmsghdr *header = request(GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);

	put(header, CTRL_ATTR_FAMILY_NAME, name, sizeof(name));
	finish(header);
	exchange(&family);
}

static void open_socket(void)
{
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		die("socket");
	if (!family)
		resolve();
}

/* Limits count as one row. */
static int look(void)
{
	finish(request(family, NLM_F_ACK, MPTCP_PM_CMD_GET_LIMITS));
	finish(request(family, NLM_F_DUMP, MPTCP_PM_CMD_GET_ADDR));
	return exchange(NULL);
}

static void set_limits(unsigned int subflows, unsigned int add_addr_accepted)
{
	struct nlmsghdr *header = request(family, NLM_F_ACK, MPTCP_PM_CMD_SET_LIMITS);

	put(header, MPTCP_PM_ATTR_RCV_ADD_ADDRS, &add_addr_accepted, sizeof(add_addr_accepted));
	put(header, MPTCP_PM_ATTR_SUBFLOWS, &subflows, sizeof(subflows));
	finish(header);
}

static void write_row(unsigned char command, const char *row)
{
	struct nlmsghdr *header = request(family, NLM_F_ACK, command);
	struct nlattr *nest = put(header, MPTCP_PM_ATTR_ADDR | NLA_F_NESTED, NULL, 0);
	unsigned char address[16];
	unsigned short af = strchr(row, ':') ? AF_INET6 : AF_INET;
	char text[64];
	unsigned int id, flags;
	int ifindex;

	if (sscanf(row, "%63[^,],%u,%u,%d", text, &id, &flags, &ifindex) != 4 || inet_pton(af, text, address) != 1) {
		errno = EINVAL;
		die(row);
	}
	put(header, MPTCP_PM_ADDR_ATTR_FAMILY, &af, sizeof(af));
	if (af == AF_INET6)
		put(header, MPTCP_PM_ADDR_ATTR_ADDR6, address, 16);
	else
		put(header, MPTCP_PM_ADDR_ATTR_ADDR4, address, 4);
	put(header, MPTCP_PM_ADDR_ATTR_ID, &(unsigned char){ id }, 1);
	put(header, MPTCP_PM_ADDR_ATTR_FLAGS, &flags, sizeof(flags));
	if (ifindex)
		put(header, MPTCP_PM_ADDR_ATTR_IF_IDX, &ifindex, sizeof(ifindex));
	nest->nla_len = (char *)header + header->nlmsg_len - (char *)nest;
	finish(header);
}

static void write_rows(unsigned char command, char **rows)
{
	for (; *rows; rows++)
		write_row(command, *rows);
}

static long look_everywhere(char **names)
{
	long rows = 0;

	for (; *names; names++) {
		char path[512];
		int namespace;

		snprintf(path, sizeof(path), "/run/netns/%s", *names);
		namespace = open(path, O_RDONLY | O_CLOEXEC);
		if (namespace < 0 || setns(namespace, CLONE_NEWNET) < 0)
			die(path);
		close(namespace);
		open_socket();
		rows += look();
		close(fd);
	}
	return rows;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "namespaces")) {
		printf("%ld\n", look_everywhere(argv + 2));
		return 0;
	}
	open_socket();
	if (!strcmp(what, "read")) {
		printf("%d\n", look());
	} else if (!strcmp(what, "add") && argc > 3) {
		set_limits(atoi(argv[2]), atoi(argv[3]));
		write_rows(MPTCP_PM_CMD_ADD_ADDR, argv + 4);
		exchange(NULL);
	} else if (!strcmp(what, "flags") && argc == 3) {
		write_rows(MPTCP_PM_CMD_SET_FLAGS, argv + 2);
		exchange(NULL);
	} else if (!strcmp(what, "replace")) {
		write_rows(MPTCP_PM_CMD_DEL_ADDR, argv + 2);
		write_rows(MPTCP_PM_CMD_ADD_ADDR, argv + 2);
		exchange(NULL);
	} else {
		errno = EINVAL;
		die(what);
	}
	return 0;
}
