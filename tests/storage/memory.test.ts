import { MemoryStorage } from "../../lib/storage/memory.ts";
import { conforms } from "./conforms.ts";

conforms("memory", (work) => work(new MemoryStorage()));
