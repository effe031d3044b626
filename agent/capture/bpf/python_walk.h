/* Finds the frames of Python functions, which the interpreter keeps in memory of its own, and puts them into
 * the stack in place of those of the interpreter's loop. CPython 3.11 to 3.13 on x86-64, by tables only.
 *
 * A thread's state leads to its innermost frame, each frame to its caller's. One call of the loop,
 * _PyEval_EvalFrameDefault(), runs several frames: those of Python functions that call each other directly.
 * Where its part of the chain ends it has left something in its own frame of C: a _PyCFrame up to 3.12, an
 * entry frame since. So it is known by its place alone which frame of C runs which frames of Python, whatever
 * the loop's function is called and however it was compiled.
 *
 *   python_programs  processes that run Python; written by the agent */
#ifndef PILOTLIGHT_AGENT_CAPTURE_BPF_PYTHON_WALK_H_
#define PILOTLIGHT_AGENT_CAPTURE_BPF_PYTHON_WALK_H_

#include "cpus.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, __u32);
  __type(value, struct pl_python_program);
} python_programs SEC(".maps");

#ifdef __TARGET_ARCH_x86
/* What is used of the kernel's. */
struct thread_struct___python {
  unsigned long fsbase;
} __attribute__((preserve_access_index));
struct task_struct___python {
  struct thread_struct___python thread;
} __attribute__((preserve_access_index));

static __always_inline __u64 thread_pointer(void) {
  const struct task_struct___python* task = (const void*)bpf_get_current_task_btf();
  return task->thread.fsbase;
}
#else
static __always_inline __u64 thread_pointer(void) { return 0; }
#endif

#define OWNED_BY_C 3 /* FRAME_OWNED_BY_CSTACK: the entry frame of a call of the loop, since 3.12 */
#define FRAME_WORD(python, offset) \
  (*(const __u64*)((const char*)(python)->interpreter_frame + ((offset)&0x78)))
#define FRAME_BYTE(python, offset) \
  (*(const __u8*)((const char*)(python)->interpreter_frame + ((offset)&0x7f)))

static __always_inline void end_python_call(struct pl_python_walk* python, __u64 anchor) {
  const __u32 call = python->calls;
  if (call >= PL_MAX_PYTHON_CALLS) {
    python->misfit = 1;
    return;
  }
  python->of_call[call].anchor = anchor;
  python->of_call[call].end = python->frames;
  python->calls = call + 1;
}

/* Makes a _PyCFrame the one at hand, and its innermost frame. */
static __always_inline int enter_cframe(struct pl_python_walk* python,
                                        const struct pl_python_program* program, __u64 address) {
  struct {
    __u64 frame;
    __u64 previous;
  } cframe;
  if (bpf_probe_read_user(&cframe, sizeof(cframe), (const void*)(address + program->cframe_frame)) != 0)
    return 0;
  python->cframe = address;
  python->previous_cframe = cframe.previous;
  python->frame = cframe.frame;
  return cframe.frame != 0;
}

/* Adds the frame at hand and goes to its caller. Returns 1 while there may be more. */
__noinline int step_to_python_caller(__u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  struct pl_python_walk* python = &cpu->python;
  const struct pl_python_program* program = &cpu->process.python;
  const __u64 frame = python->frame;
  if (bpf_probe_read_user(python->interpreter_frame, PL_PYTHON_FRAME_BYTES, (const void*)frame) != 0) {
    python->misfit = 1;
    return 0;
  }
  const __u64 previous = FRAME_WORD(python, program->frame_previous);
  python->frame = previous;
  if (!program->has_entry_flag && FRAME_BYTE(python, program->frame_owner) == OWNED_BY_C) {
    end_python_call(python, frame);
    return previous != 0;
  }
  const __u32 count = python->frames;
  if (count < PL_MAX_PYTHON_FRAMES) {
    const __u64 code = FRAME_WORD(python, program->frame_code) & PL_PYTHON_CODE;
    const __u64 offset = FRAME_WORD(python, program->frame_instruction) - code - program->code_instructions;
    __u64 instruction = offset / 2;
    if (instruction > PL_PYTHON_NO_INSTRUCTION) instruction = PL_PYTHON_NO_INSTRUCTION;
    __u64 name_hash = 0;
    if (bpf_probe_read_user(python->code, sizeof(python->code),
                            (const void*)(code + PL_PYTHON_IDENTITY_OFFSET)) != 0) {
      python->misfit = 1;
      return 0;
    }
    if (program->hashes_name) {
      bpf_probe_read_user(&name_hash, sizeof(name_hash),
                          (const void*)(python->code[PL_PYTHON_NAME_WORD] + PL_PYTHON_STRING_HASH));
    }
    struct pl_python_frame* found = &python->of_thread[count & (PL_MAX_PYTHON_FRAMES - 1)];
    found->code = PL_PYTHON_FRAME | instruction << PL_PYTHON_INSTRUCTION_SHIFT | code;
    found->identity = pl_python_identity(python->code, name_hash);
    python->frames = count + 1;
  } else {
    python->is_full = 1;
  }
  if (program->has_entry_flag && FRAME_BYTE(python, program->frame_entry_flag)) {
    end_python_call(python, python->cframe);
    /* The caller of the loop is the innermost frame of the call before. */
    const int more = enter_cframe(python, program, python->previous_cframe);
    if (more == (previous != 0) && python->frame == previous) return more;
    python->misfit = 1;
    return 0;
  }
  if (previous != 0) return 1;
  python->misfit = 1; /* The outermost frame is followed by an end of a call too. */
  return 0;
}

static __always_inline void read_python_frames(struct pl_python_walk* python, __u32 cpu_number) {
  for (__u32 i = 0; i < PL_MAX_PYTHON_STEPS; i++) {
    if (!step_to_python_caller(cpu_number)) return;
  }
  python->misfit = 1;
}

/* Reads all frames of Python of this thread. Without a state it runs none. */
__noinline int find_python_frames(__u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  struct pl_python_walk* python = &cpu->python;
  const struct pl_python_program* program = &cpu->process.python;
  python->call = 0;
  python->calls = 0;
  python->frames = 0;
  python->misfit = 0;
  python->is_full = 0;
  const __u64 thread = thread_pointer();
  __u64 state = 0;
  __u64 id = 0;
  if (thread == 0) return 0;
  if (bpf_probe_read_user(&state, sizeof(state), (const void*)(thread + program->thread_state)) != 0)
    return 0;
  if (state == 0) return 0;
  if (bpf_probe_read_user(&id, sizeof(id), (const void*)(state + program->thread_id)) != 0) return 0;
  if (id != thread) return 0;
  if (bpf_probe_read_user(&python->frame, sizeof(python->frame), (const void*)(state + program->current)) !=
      0)
    return 0;
  if (!program->has_cframes) {
    if (python->frame != 0) read_python_frames(python, cpu_number);
  } else if (enter_cframe(python, program, python->frame)) {
    read_python_frames(python, cpu_number);
    /* A call that is only being set up has a _PyCFrame before that has a frame. */
    if (python->calls == 0 && python->misfit && enter_cframe(python, program, python->previous_cframe)) {
      python->frames = 0;
      python->misfit = 0;
      read_python_frames(python, cpu_number);
    }
  }
  if (python->calls > 0) python->anchor = python->of_call[0].anchor;
  return 0;
}

/* The last frame of the stack so far is that of the call of the loop at hand: puts those of its functions in
 * its place. Returns 1 when there is no room for all. */
__noinline int put_python_frames(__u32 cpu_number) {
  struct pl_cpu* cpu = bpf_map_lookup_elem(&cpus, &cpu_number);
  if (!cpu) return 0; /* The verifier asks. */
  struct pl_python_walk* python = &cpu->python;
  const __u32 call = python->call;
  if (call >= PL_MAX_PYTHON_CALLS) return 0;
  __u32 first = 0;
  if (call > 0) first = python->of_call[call - 1].end;
  const __u32 end = python->of_call[call].end;
  const __u32 next = call + 1;
  python->call = next;
  python->anchor = next < python->calls && next < PL_MAX_PYTHON_CALLS ? python->of_call[next].anchor : 0;
  __u32 count = cpu->walk.n_user;
  if (count == 0 || first >= end) return 0; /* It runs none at the moment. */
  __u64 hash = cpu->walk.hash_before;
  count--;
  int is_cut = python->is_full && end >= PL_MAX_PYTHON_FRAMES;
  for (__u32 i = 0; i < PL_MAX_PYTHON_FRAMES; i++) {
    const __u32 at = first + i;
    if (at >= end) break;
    asm volatile("" : "+r"(count));
    if (count >= PL_MAX_USER_FRAMES - 1) {
      is_cut = 1;
      break;
    }
    const struct pl_python_frame* frame = &python->of_thread[at & (PL_MAX_PYTHON_FRAMES - 1)];
    const __u64 code = frame->code;
    const __u64 identity = frame->identity;
    cpu->scratch.frames[count] = code;
    cpu->scratch.frames[count + 1] = identity;
    hash = pl_mix(pl_mix(hash, code), identity);
    count += 2;
  }
  cpu->walk.n_user = count;
  cpu->walk.hash = hash;
  return is_cut;
}

#endif /* PILOTLIGHT_AGENT_CAPTURE_BPF_PYTHON_WALK_H_ */
