/* The agent's pid namespace, whose numbers the processes have. */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_PID_NAMESPACE_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_PID_NAMESPACE_H_

/* 0 when it is the initial one. */
const volatile __u64 pid_namespace_device = 0;
const volatile __u64 pid_namespace_inode = 0;

/* The current process, as the namespace has it; -1 when it is not in there. */
static __always_inline __s64 current_tgid(void) {
  if (pid_namespace_inode == 0) return bpf_get_current_pid_tgid() >> 32;
  struct bpf_pidns_info ids;
  if (bpf_get_ns_current_pid_tgid(pid_namespace_device, pid_namespace_inode, &ids, sizeof(ids)) != 0)
    return -1;
  return ids.tgid;
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_PID_NAMESPACE_H_ */
