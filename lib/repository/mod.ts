/**
 * Repositories: snapshots of directories over time, on one storage.
 *
 * @module
 */
export type { FitResult } from "./budget.ts";
export type { Collected } from "./collect_garbage.ts";
export type { CopyOptions, CopyProgress, CopyResult } from "./copy.ts";
export type { DamageHandler } from "./damage.ts";
export type { DrillOptions, DrillProgress, DrillResult } from "./drill.ts";
export type { Proof } from "./proof.ts";
export type { Damage, DamageKind, HarmedFile } from "./findings.ts";
export type { HistoryOptions, PathVersion } from "./history.ts";
export type { ReadLayerOptions } from "./layer_reader.ts";
export type { ReadRecord } from "./read_record.ts";
export type {
  RepairOptions,
  RepairResult,
  ReplacedSnapshot,
} from "./repair.ts";
export { Repository } from "./repository.ts";
export type { LostRange } from "./salvage.ts";
export type { PathUsage } from "./folder_usage.ts";
export type { RepositoryStats, SnapshotUsage, StatsOptions } from "./stats.ts";
export type {
  PruneOptions,
  PrunePlan,
  PruneProgress,
  PruneResult,
} from "./prune.ts";
export type { RemovedSnapshot } from "./removed.ts";
export { judge, type Judgement, type RetentionPolicy } from "./retention.ts";
export type {
  RestoreOptions,
  RestoreProgress,
  RestoreResult,
  RevertOptions,
} from "./restore.ts";
export type {
  RestoreFailure,
  RestoreLeft,
  RestorePlan,
  RestoreStep,
} from "./restore_plan.ts";
export type {
  LayerFrame,
  LayerRecord,
  ObjectRecord,
  SafetyRecord,
  SnapshotCounts,
  SnapshotRecord,
} from "./snapshot_record.ts";
export type { SnapshotOptions, SnapshotResult } from "./take_snapshot.ts";
export { Tree, type TreeFields } from "./tree.ts";
export type { StoredPiece, TreeEntry } from "./tree_layer.ts";
export type { VerifyOptions, VerifyProgress, VerifyResult } from "./verify.ts";
export { withCache } from "./with_cache.ts";
