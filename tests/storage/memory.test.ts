import { MemoryStorage } from "../../lib/storage/memory.ts";
import { conforms } from "./conformance.ts";

conforms("memory", (work) => work(new MemoryStorage()));
