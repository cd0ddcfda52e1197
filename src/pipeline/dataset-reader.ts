import { RequestError } from "../core/errors.ts";
import { openBench, type Workbench } from "../mapping/bench.ts";
import { named, quoted } from "../mapping/sql-text.ts";
import { type DatasetManifest, DatasetStore } from "./dataset.ts";

/** A dataset that is there, and where. */
export interface FoundDataset {
  readonly manifest: DatasetManifest;
  readonly path: string;
}

/** Finds a version, the one that was built last unless given. Throws `REQUEST_INVALID` naming those that there are. */
export async function findDataset(home: string, version?: string): Promise<FoundDataset> {
  const store = new DatasetStore(home);
  const wanted = version ?? (await store.currentVersion());
  if (wanted === undefined) throw new RequestError("REQUEST_INVALID", `there is no dataset in ${home}: run a build first`);
  const manifest = isVersion(wanted) ? await store.find(wanted) : undefined;
  if (manifest !== undefined) return { manifest, path: store.pathOf(wanted) };
  const kept = (await store.all()).map(each => each.version);
  const there = kept.length === 0 ? "there is none: run a build first" : `there are ${kept.join(", ")}`;
  throw new RequestError("REQUEST_INVALID", `there is no dataset ${wanted}; ${there}`);
}

/** Whether a text has the form of a version; nothing else comes near a path. */
const isVersion = (text: string): boolean => /^[0-9a-f]{20}$/.test(text);

/** Opens a workbench that has a dataset's tables as views. */
export async function openDataset({ manifest, path }: FoundDataset): Promise<Workbench> {
  const bench = await openBench(null);
  try {
    for (const { name, files } of manifest.tables) {
      const paths = files.map(file => quoted(`${path}/${file.name}`)).join(", ");
      await bench.run(`CREATE VIEW ${named(name)} AS FROM read_parquet([${paths}])`);
    }
    return bench;
  } catch (thrown) {
    bench.close();
    throw thrown;
  }
}
