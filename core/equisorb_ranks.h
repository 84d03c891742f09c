/* equisorb_ranks.h -- the public interface to ranks: one system over the processes of an MPI job.
 *
 * A part of equisorb.h, which says what holds for all of it and is the header to include.
 * Every rank opens a context, loads the same model and joins the context to the ranks. Then rank 0
 * calls what it likes, and the others eqs_context_serve:
 *
 *   eqs_comm_open(NULL, &comm);  eqs_context_set_comm(context, comm);
 *   if (eqs_comm_rank(comm)) eqs_context_serve(context, model);
 *   else eqs_md(context, model, ...);
 *   eqs_context_free(&context);  eqs_comm_close(&comm);
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQUISORB_RANKS_H
#define EQUISORB_RANKS_H

#ifndef EQUISORB_H
#error "include equisorb.h"
#endif

typedef struct eqs_comm eqs_comm;

/* transport: "self", one rank; "mpi", MPI_COMM_WORLD, which is started (MPI_THREAD_FUNNELED) unless
 * it runs already; NULL = "auto": MPI where mpirun or srun have started several processes.
 * EQS_ERR_UNSUPPORTED: built without MPI. EQS_ERR_COMM: MPI cannot be started. All ranks call it.
 */
EQS_API eqs_status eqs_comm_open(const char *transport, eqs_comm **out) EQS_CHECK;
EQS_API int eqs_comm_rank(const eqs_comm *c); /* from 0 */
EQS_API int eqs_comm_size(const eqs_comm *c);
/* This rank cannot go on: calls on other ranks fail with "rank N: why". NULL = eqs_error(). */
EQS_API void eqs_comm_fail(eqs_comm *c, const char *why);
/* All ranks, after their contexts. After a failure it returns once rank 0 has called it. */
EQS_API void eqs_comm_close(eqs_comm **c);

/* From now on the context's energies and forces of whole systems (eqs_compute and what calls it:
 * eqs_md, eqs_relax) are shared out: rank 0 calls, the others serve. Each rank evaluates a region
 * and holds features of its atoms and of ghosts within one cutoff. eqs_md of one system integrates
 * over the ranks; else positions and results of all atoms are on rank 0 alone. Results depend on
 * the ranks by rounding alone, and have the same bits for the same number. Local changes stay on
 * rank 0. Features go from GPU to GPU where all ranks have their own and NCCL (unless EQS_NCCL=0
 * is in the environment), else by the hosts. All ranks call it. One rank, or NULL: as without. */
EQS_API eqs_status eqs_context_set_comm(eqs_context *c, eqs_comm *comm) EQS_CHECK;
/* Ranks other than 0: evaluates this rank's share until rank 0 frees its context. A failure of any
 * rank ends this and the call of rank 0, with the status of the rank that failed and its message.
 */
EQS_API eqs_status eqs_context_serve(eqs_context *c, const eqs_model *m) EQS_CHECK;

/* Whole pieces of work for every rank, for contexts that are not joined to the ranks. All ranks
 * call these with the same settings and model; rank 0's files or jobs count, and it alone is given
 * the results. Ranks take the next piece when they are done with one, and whatever a piece gives
 * does not depend on the rank that did it. Every rank must see the files by the same names. A
 * failure of any rank ends all (a framework or run that fails is none); what is stored by then
 * stays. `ranks` may be NULL: one rank. */

/* As eqs_screen: the pieces are frameworks, and the stages that follow a ranking wait for all
 * ranks. Rank 0 alone opens and writes the store. *out is NULL on the others. */
EQS_API eqs_status eqs_screen_ranks(eqs_comm *ranks, eqs_context *c, const eqs_model *m,
                                    const char *const *paths, int n,
                                    const eqs_screen_options *options, const char *store,
                                    eqs_screen_watch watch, void *user,
                                    eqs_screen_result **out) EQS_CHECK;

/* As eqs_md_batch: the pieces are runs, or several where small systems are evaluated together. The
 * rank that has a run writes its files. Jobs without their outcome on the others. */
EQS_API eqs_status eqs_md_batch_ranks(eqs_comm *ranks, eqs_context *c, const eqs_model *m, int n,
                                      eqs_md_job *jobs, eqs_md_watch watch, void *user) EQS_CHECK;

#endif
