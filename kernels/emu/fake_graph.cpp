// fake_graph.cpp -- graphs of the fake runtime: instantiated, updated, and launched as one piece of
// work whose nodes run in a seeded order that their dependencies allow.
// SPDX-License-Identifier: MIT
#include "kernels/emu/fake_internal.h"
#include "kernels/emu/fiber.h"

namespace fake {
namespace {
// One launch. For ThreadSanitizer each node is a thread, ordered after those it depends on.
struct replay {
  struct part {
    step_function step;
    void *identity = nullptr;
    bool done = false;
    char clock = 0;
  };
  std::shared_ptr<graph> work;
  std::deque<part> parts;
  size_t left;
  explicit replay(std::shared_ptr<graph> g)
      : work(std::move(g)), parts(work->nodes.size()), left(parts.size()) {}

  bool ready(size_t i) const {
    for (size_t n : work->nodes[i].after)
      if (!parts[n].done) return false;
    return !parts[i].done;
  }

  progress step_node(size_t i) {
    part &p = parts[i];
    progress result = BLOCKED;
    if (!p.step) {
      p.step = work->nodes[i].make();
      p.identity = cuemu::identity_new();
    }
    as(p.identity, [&] {
      for (size_t n : work->nodes[i].after) cuemu::order_acquire(&parts[n].clock);
      result = p.step();
      cuemu::order_release(&p.clock);
    });
    if (result != FINISHED) return result;
    cuemu::order_acquire(&p.clock);
    cuemu::identity_free(p.identity);
    p.done = true;
    p.step = nullptr;
    all().counts.nodes++;
    return --left ? MOVED : FINISHED;
  }

  progress step() {
    if (!left) return FINISHED;
    std::vector<size_t> candidates;
    for (size_t i = 0; i < parts.size(); i++)
      if (ready(i)) candidates.push_back(i);
    if (all().seed)
      for (size_t i = candidates.size(); i-- > 1;)
        std::swap(candidates[i], candidates[below((unsigned)i + 1)]);
    for (size_t i : candidates) {
      progress p = step_node(i);
      if (p != BLOCKED) return p;
    }
    return BLOCKED;
  }
};

// Kind and name: "kernel f" may become "kernel g", not "copy".
bool same_kind(const node &a, const node &b) {
  return a.what.substr(0, a.what.find(' ')) == b.what.substr(0, b.what.find(' '));
}
bool same_shape(const graph &a, const graph &b) {
  if (a.nodes.size() != b.nodes.size()) return false;
  for (size_t i = 0; i < a.nodes.size(); i++)
    if (!same_kind(a.nodes[i], b.nodes[i]) || a.nodes[i].after != b.nodes[i].after) return false;
  return true;
}
} // namespace
} // namespace fake

using fake::all;
using fake::error;
using fake::guard;

extern "C" {
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph, unsigned long long) {
  guard g;
  if (fake::fail()) return error(cudaErrorMemoryAllocation);
  if (!graph) return error(cudaErrorInvalidValue);
  *out = new CUgraphExec_st{std::make_shared<fake::graph>(*graph->work), nullptr};
  all().graph_execs++;
  all().counts.instantiations++;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *out, cudaGraph_t graph,
                                          unsigned long long flags) {
  return cudaGraphInstantiate(out, graph, flags);
}
cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t) {
  guard g;
  if (fake::fail()) return error(cudaErrorMemoryAllocation);
  return error(exec ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph,
                                cudaGraphExecUpdateResultInfo *info) {
  guard g;
  if (info) *info = {cudaGraphExecUpdateError, nullptr, nullptr};
  if (fake::fail()) return error(cudaErrorGraphExecUpdateFailure);
  if (!exec || !graph) return error(cudaErrorInvalidValue);
  if (!fake::same_shape(*exec->work, *graph->work)) {
    if (info) info->result = cudaGraphExecUpdateErrorTopologyChanged;
    return error(cudaErrorGraphExecUpdateFailure);
  }
  if (info) info->result = cudaGraphExecUpdateSuccess;
  exec->work = std::make_shared<fake::graph>(*graph->work); // launches under way keep the old one
  all().counts.updates++;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  guard g;
  if (fake::fail()) return error(cudaErrorLaunchFailure);
  if (!exec) return error(cudaErrorInvalidValue);
  all().counts.graph_launches++;
  // Launches of one executable run one after the other, in whatever streams they are.
  std::shared_ptr<fake::mark> before = exec->last, mine = std::make_shared<fake::mark>();
  exec->last = mine;
  std::shared_ptr<fake::graph> work = exec->work;
  return error(fake::submit(stream, "graph", [work, before, mine]() -> fake::step_function {
    auto run = std::make_shared<fake::replay>(work);
    return [run, before, mine] {
      if (before && !before->done) return fake::BLOCKED;
      if (before) cuemu::order_acquire(&before->clock);
      const fake::progress p = run->step();
      if (p != fake::FINISHED) return p;
      mine->done = true;
      cuemu::order_release(&mine->clock);
      return p;
    };
  }));
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  guard g;
  if (!exec) return error(cudaErrorInvalidValue);
  if (exec->last) cuemu::order_acquire(&exec->last->clock);
  delete exec;
  all().graph_execs--;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  guard g;
  if (!graph) return error(cudaErrorInvalidValue);
  delete graph;
  all().graphs--;
  return cudaSuccess;
}
/* Only their number: nodes of a captured graph have no handles here. */
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *n) {
  guard g;
  if (fake::fail()) return error(cudaErrorUnknown);
  if (!graph || nodes) return error(cudaErrorNotSupported);
  *n = graph->work->nodes.size();
  return cudaSuccess;
}
}
