/**
 * Archives: tar files that are cut into volumes and frames, and archives of
 * directories and of differences.
 *
 * `tar_header.ts` and `tar_reader.ts` write and read tar. `volume_writer.ts`
 * sets the size of frames, fills them with members (`frame_filler.ts`),
 * compresses several frames at a time (`frame_queue.ts`) and cuts the stream
 * into volumes (`volume_sequence.ts`). `codec.ts` chooses the compression,
 * `gzip_codec.ts` or `zstd_codec.ts`; `zstd_frame.ts` reads the headers of zstd
 * frames and limits the size of their windows. A content reference
 * (`content_reference.ts`) names the range of a volume whose frames hold a
 * file's content, so that one file can be read without the rest
 * (`content_reader.ts`). `content_frames.ts` and `planned_frames.ts` read parts
 * of such a range. `data_packer.ts` decides for each file whether it is
 * stored whole, as a delta against a basis that the caller passes, or not at
 * all.
 *
 * `tar_entries.ts` reads the entries of an archive for a snapshot.
 *
 * `tar_volume_writer.ts` writes an archive of volumes with an index
 * (`volume_index.ts`), such as the archive of a directory, and `tar_volume.ts`
 * reads it. `diff_data.ts` stores the content of a difference as an archive,
 * and `apply_diff.ts` applies the difference to a directory.
 *
 * `archive_stream.ts` writes an archive without an index as one stream: a tar
 * (`tar_stream.ts`), optionally compressed (`compress_blocks.ts`), or a zip
 * (`zip_stream.ts`, `zip_record.ts` and `deflate.ts`).
 *
 * @module
 */
export {
  DeltarError,
  type ErrorCode,
  type ErrorContext,
} from "../bytes/errors.ts";
export { applyDiff, type ApplyOptions } from "./apply_diff.ts";
export { DiffData, type DiffDataOptions } from "./diff_data.ts";
export { Dir, type FilesOptions, type HashBasis } from "./dir.ts";
export { DirSet } from "./dir_set.ts";
export type { MemberNames } from "./member_name.ts";
export {
  type ArchiveFormat,
  type Codec,
  codecFor,
  type CodecName,
  type DecompressOptions,
  detectFormat,
} from "./codec.ts";
export type { CompressOptions } from "./compress_tree.ts";
export { readContent, type ReadContentOptions } from "./content_reader.ts";
export type { StreamFormat } from "./archive_stream.ts";
export type { ContentReference } from "./content_reference.ts";
export type { ExtractOptions } from "./extract_members.ts";
export type { VolumeRecord } from "./object_writer.ts";
export type { OwnerFields } from "../tree/owner_fields.ts";
export type {
  MemberKind,
  TarDeviceMember,
  TarLinkMember,
  TarMember,
  TarMemberFields,
  TarPlainMember,
} from "./tar_member.ts";
export { type OpenOptions, TarVolume } from "./tar_volume.ts";
export { tarEntries, type TarEntriesOptions } from "./tar_entries.ts";
export type { OtherEntry, StreamedEntry } from "../tree/streamed_entry.ts";
export {
  type AddTreeOptions,
  type NewMember,
  type TarVolumeOptions,
  TarVolumeWriter,
} from "./tar_volume_writer.ts";
export { readTar, type TarEntry } from "./tar_reader.ts";
export type { TreeSink, TreeSource, TreeWalkOptions } from "./tree_sink.ts";
export {
  type IndexedFile,
  type IndexedMember,
  VolumeIndex,
} from "./volume_index.ts";
export {
  type StreamedContent,
  VolumeWriter,
  type VolumeWriterOptions,
} from "./volume_writer.ts";
