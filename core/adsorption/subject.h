/* subject.h -- what every adsorption run does with its model, gas and framework file beforehand.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SUBJECT_H
#define EQS_SUBJECT_H

#include "core/adsorption/overlap.h"
#include "core/adsorption/record.h"
#include "core/adsorption/setup.h"
#include "core/gas.h"

/* EQS_ERR_UNSUPPORTED names the first atom that the model does not know. */
eqs_status model_knows(const eqs_model_info *info, int n, const int *number) EQS_CHECK;
/* SHA-256 of a regular file's content. EQS_ERR_FILE, EQS_ERR_FORMAT: too large. */
eqs_status file_sha256(const char *path, char sha[65]) EQS_CHECK;
/* The stream of random numbers of a file: the start of its hash. */
uint32_t stream_of(const char sha[65]);

/* Width that a box needs (angstrom): 2 r_max + D, strict: 2 L r_max + D. */
double subject_width(const eqs_model_info *info, const gas *g, int strict);
/* Gas, device and version in the record. */
void record_molecule(screen_record *r, const gas *g);
/* The same, and the model and the rules. */
void record_subject(screen_record *r, const eqs_model_info *info, const gas *g, int strict,
                    double overlap_energy);
/* The energies of the isolated molecule in the record, and the flags gas-unchecked or gas-energy
 * where they differ from the stored reference. Errors of the model, after the molecule's name. */
eqs_status record_gas(screen_record *r, eqs_context *c, const eqs_model *m,
                      const eqs_model_info *info, const gas *g) EQS_CHECK;

#endif
