export {
  type ArchiveFormat,
  type Codec,
  codecFor,
  type CodecName,
  type DecompressOptions,
  detectFormat,
} from "./codec.ts";
export {
  readContent,
  type ReadContentOptions,
  readRange,
} from "./content_reader.ts";
export type { ContentReference } from "./content_reference.ts";
export type { VolumeRecord } from "./object_writer.ts";
export type { MemberKind, TarMember } from "./tar_member.ts";
export { readTar, type TarEntry } from "./tar_reader.ts";
export {
  type StreamedContent,
  VolumeWriter,
  type VolumeWriterOptions,
} from "./volume_writer.ts";
