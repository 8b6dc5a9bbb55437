"""What a sample of `perf script` was spent on. A class goes by the program's file and the function; in the kernel, where
what is common to all (locks, copies) says nothing, by the calls around it."""

import re

SCHEDULING, NETWORK, POLLING = "kernel: wake-ups, scheduling", "kernel: TCP, sockets", "kernel: epoll"
KERNEL = "kernel: other calls, page faults"
TLS, ALLOCATOR, HTTP2, PROTOBUF = "OpenSSL", "allocator", "HTTP/2 (nghttp2)", "protobuf"
XML, LIBRARIES = "XML", "libc, libstdc++, other libraries"
STORES = {"redis": "Redis", "postgres": "PostgreSQL"}
OWN = "Parley: "

# The first that one of the kernel's functions on the way to the sample begins with decides. A wake-up is made by what
# TCP does for a receiver; so it comes first.
KERNEL_CALLS = [
    (SCHEDULING, ("__schedule", "schedule", "try_to_wake_up", "ttwu_", "finish_task_switch", "pick_next_task",
                  "newidle_balance",
                  "__wake_up", "ep_poll_callback", "sock_def_readable", "sched_", "switch_to", "__switch_to", "pipe_write",
                  "futex_", "__x64_sys_futex")),
    (NETWORK, ("tcp_", "__tcp_", "inet_", "inet6_", "sock_", "__sock_", "__sys_send", "__sys_recv", "__x64_sys_send",
               "__x64_sys_recv", "__x64_sys_accept", "__x64_sys_connect", "net_rx_action", "ip_", "__ip_", "unix_", "skb_",
               "__sys_accept", "__sys_connect", "__netif_", "process_backlog")),
    (POLLING, ("ep_", "do_epoll", "__x64_sys_epoll", "epoll_", "__ep_")),
]  # fmt: skip
FILES = [
    (ALLOCATOR, ("libjemalloc",)),
    (TLS, ("libcrypto", "libssl")),
    (HTTP2, ("libnghttp2",)),
    (PROTOBUF, ("libprotobuf",)),
]
ALLOCATING = re.compile(r"^(operator (new|delete)|(malloc|free|calloc|realloc|cfree)\b|_int_(malloc|free)|malloc_consolidate)")
NAMESPACE = re.compile(r"\bparley::([a-z]\w*)::")
# What of Parley's namespaces stands under another name.
NAMESPACES = {"xml": XML, "link": PROTOBUF}


def of(service, frames):
    """`frames`: [(function, file)] of one sample, the innermost first. `service`: that of its process."""
    function, file = frames[0]
    if _is_kernel(file):
        return _kernel([name for name, where in frames if _is_kernel(where)])
    if service in STORES:
        return STORES[service]
    for name, files in FILES:
        if file.rsplit("/", 1)[-1].startswith(files):
            return name
    if ALLOCATING.match(function):
        return ALLOCATOR
    return _own(function) if "/parley-" in file else LIBRARIES


def _is_kernel(file):
    return file.startswith("[kernel") or file.startswith("[guest.kernel")


def _kernel(calls):
    for name, beginnings in KERNEL_CALLS:
        if any(call.startswith(beginnings) for call in calls):
            return name
    return KERNEL


def _own(function):
    """By namespace, each of which is a library (or a service's own code)."""
    found = NAMESPACE.search(function)
    if found:
        return NAMESPACES.get(found[1], OWN + found[1])
    if "parley::" in function:
        return OWN + "base"
    if "google::protobuf" in function:
        return PROTOBUF
    if "boost::asio" in function:
        return OWN + "Asio"
    return LIBRARIES
