/**
 * Repositories: snapshots of directories over time, on one storage.
 *
 * `repository.ts` defines the public class. The methods of this class call
 * functions in the directories below and pass them the `Store`: the objects,
 * the repository's id and codec, the records, and the keys of an encrypted
 * repository. Each directory imports only from those listed before it:
 *
 * - `format/`: names, records, settings and notes, as docs/FORMAT.md describes
 *   them (`format/names.ts`);
 * - `runs/`: how writers and prunes work side by side without a lock
 *   (`runs/run.ts`);
 * - `layers/`: trees (`layers/tree_layer.ts`), and `content/`: the content of
 *   files (`content/content.ts`);
 * - `store/`: the `Store` (`store/store.ts`), and finding snapshots by names,
 *   labels and dates (`store/find_snapshot.ts`);
 * - `search/`: the history of a path (`search/history.ts`), and finding paths
 *   in many snapshots (`search/find_paths.ts`);
 * - `snapshot/`: taking snapshots (`snapshot/take_snapshot.ts`);
 * - `prune/`: removing snapshots and freeing space (`prune/prune.ts`);
 * - `rekey/`: new headers for encrypted objects (`rekey/rekey.ts`);
 * - `restore/`: restoring, undoing, redoing (`restore/restore.ts`);
 * - `verify/`: finding damage (`verify/verify.ts`);
 * - `repair/`: repairing damage (`repair/repair.ts`);
 * - `purge/`: deleting paths from all snapshots (`purge/purge.ts`);
 * - `drill/`: test restores (`drill/drill.ts`);
 * - `stats/`: how the space is used (`stats/stats.ts`);
 * - `export/`: tar and zip archives of snapshots (`export/export.ts`);
 * - `copy.ts` and `mirror.ts`: copying snapshots, and whole repositories.
 *
 * Each file in parentheses begins with a description of its directory.
 *
 * @module
 */
export {
  DeltarError,
  type ErrorCode,
  type ErrorContext,
} from "../bytes/errors.ts";
export type { FitResult } from "./prune/size_limit.ts";
export type { Collected } from "./prune/collect_garbage.ts";
export type { CopyOptions, CopyProgress, CopyResult } from "./copy.ts";
export type { DamageHandler } from "../bytes/errors.ts";
export type {
  DrillOptions,
  DrillProgress,
  DrillResult,
} from "./drill/drill.ts";
export type {
  AgeIdentity,
  AgeKey,
  AgeRecipient,
  AgeRecipientObject,
  AgeStanza,
} from "../age/header.ts";
export type { RewrapKeys } from "../age/rewrap.ts";
export { mirror, type MirrorOptions, type MirrorResult } from "./mirror.ts";
export type {
  ExpectedKeys,
  KeyFor,
  KeyInfo,
  RepositoryKeys,
} from "./store/keys.ts";
export type { Holder } from "./store/holders.ts";
export type { Signer, Signers, Trust } from "./store/signers.ts";
export type { SigningKey } from "../ssh/mod.ts";
export { MAX_LABEL_LENGTH } from "./store/label.ts";
export type { Proof } from "./store/proof.ts";
export type { Damage, DamageKind, HarmedFile } from "./verify/findings.ts";
export {
  type FindOptions,
  type FoundFolder,
  type FoundPlace,
  isPartOfId,
} from "./store/find_snapshot.ts";
export type {
  ExportFailure,
  ExportOptions,
  ExportProgress,
} from "./export/export_options.ts";
export type { FindPathsOptions, FoundPath } from "./search/find_paths.ts";
export type { FolderChanges } from "./search/folder_changes.ts";
export { type NamedTime, namedTime } from "./store/named_time.ts";
export type { HistoryOptions, PathVersion } from "./search/history.ts";
export type { ReadLayerOptions } from "./layers/layer_reader.ts";
export type { OwnerNames } from "../tree/owner_names.ts";
export type { ReadRecord } from "./format/snapshot_record.ts";
export type {
  RepairOptions,
  RepairResult,
  ReplacedSnapshot,
} from "./repair/repair.ts";
export { Repository } from "./repository.ts";
export type {
  CreateOptions,
  Machine,
  OpenOptions,
  ParentOptions,
  ReadOptions,
  RecordTrust,
} from "./store/store.ts";
export { repositoryName } from "./repository_name.ts";
export type { LostRange } from "./repair/salvage.ts";
export type { UnrecordedSnapshot } from "./verify/unrecorded.ts";
export type { Watched } from "./prune/lease.ts";
export type { PathUsage } from "./stats/folder_usage.ts";
export type {
  RepositoryStats,
  SnapshotUsage,
  StatsOptions,
} from "./stats/stats.ts";
export { DEFAULT_GRACE_MS } from "./prune/defaults.ts";
export type {
  PruneOptions,
  PrunePlan,
  PruneProgress,
  PruneResult,
} from "./prune/prune.ts";
export type {
  PurgeOptions,
  PurgePlan,
  PurgeProgress,
  PurgeResult,
  SnapshotToPurge,
} from "./purge/purge.ts";
export type { Replacement } from "./purge/replace.ts";
export type { Scrubbed } from "./purge/scrub.ts";
export type { SameContent } from "./purge/survey.ts";
export type { RemovedSnapshot } from "./prune/removed.ts";
export type {
  RekeyOptions,
  RekeyPlan,
  RekeyProgress,
  RekeyResult,
} from "./rekey/rekey.ts";
export {
  judge,
  type Judgement,
  type JudgeOptions,
  type KeepReason,
  type KeepRule,
  type RetentionPolicy,
} from "./prune/retention.ts";
export type { Judged, JudgedGroup } from "./prune/judged.ts";
export {
  describeUnusual,
  type Emptied,
  type Flood,
  type Unusual,
} from "./prune/unusual.ts";
export type {
  RestoreOptions,
  RestoreProgress,
  RevertOptions,
  UndoChangesOptions,
  WorkOptions,
  XattrOptions,
} from "./restore/session.ts";
export type { RestoreResult } from "./restore/session.ts";
export type {
  ChangeStep,
  CreateStep,
  DeleteStep,
  RestoreFailure,
  RestoreLeft,
  RestorePlan,
  RestoreStep,
} from "./restore/plan.ts";
export {
  type AgentTurn,
  agentTurns,
  changedPaths,
  type ChangeSpan,
  endOfTurn,
  endsAfterOther,
  lastOfTurn,
  turnsIn,
  undoOfTurn,
} from "./search/agent_turns.ts";
export { dirOfRecord } from "./snapshot/dir_of_record.ts";
export { belowOf, placeOf } from "./format/place_of.ts";
export { isMachineId, isOfMachine } from "./format/snapshot_record.ts";
export type {
  LayerFrame,
  LayerRecord,
  MachineRecord,
  ObjectRecord,
  PurgedRecord,
  SafetyRecord,
  Signed,
  SnapshotCounts,
  SnapshotRecord,
} from "./format/snapshot_record.ts";
export { MAX_TURN_TEXT, type TurnRecord } from "./format/turn_record.ts";
export type {
  SnapshotChanges,
  SnapshotOptions,
  SnapshotResult,
} from "./snapshot/take_snapshot.ts";
export { Tree, type TreeFields } from "./layers/tree.ts";
export type {
  StoredPiece,
  TreeEntry,
  TreeFileEntry,
} from "./layers/tree_layer.ts";
export type {
  UntrustedNote,
  UntrustedSnapshot,
  VerifyOptions,
  VerifyProgress,
  VerifyResult,
} from "./verify/verify.ts";
export {
  verifySealed,
  type VerifySealedOptions,
  type VerifySealedResult,
} from "./verify/verify_sealed.ts";
export { withCache } from "./with_cache.ts";
