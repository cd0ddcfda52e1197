import { type Consumer, ListOffsetTimestamps } from "@platformatic/kafka";

/** Partitions whose committed offsets the brokers do not have any more. */
export interface LostOffsets {
  readonly reason: string;
  readonly partitions: readonly { readonly partition: number; readonly earliest: bigint }[];
}

/** What of a topic's committed offsets lies before what the brokers still keep, or behind what they have; undefined when nothing does. */
export async function lostOffsets(consumer: Consumer, topic: string): Promise<LostOffsets | undefined> {
  const { topics } = await consumer.metadata({ topics: [topic] });
  const partitions = [...(topics.get(topic)?.partitions.keys() ?? [])];
  const [committed, earliest, latest] = await Promise.all([
    consumer.listCommittedOffsets({ topics: [{ topic, partitions }] }),
    consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.EARLIEST }),
    consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.LATEST }),
  ]);
  const lost = partitions.flatMap(partition => {
    const [at = -1n, first = 0n, end = 0n] = [committed, earliest, latest].map(offsets => offsets.get(topic)?.[partition]);
    return at >= 0n && (at < first || at > end) ? [{ partition, at, earliest: first }] : [];
  });
  if (lost.length === 0) return undefined;
  const words = lost.map(({ partition, at, earliest: first }) => `${partition} from ${at} to ${first}`).join(", ");
  return { reason: `the brokers do not keep the offsets of ${topic} any more: partition ${words}`, partitions: lost };
}

/** Passes over what is lost. */
export async function commitEarliest(consumer: Consumer, topic: string, { partitions }: LostOffsets): Promise<void> {
  const offsets = partitions.map(({ partition, earliest }) => ({ topic, partition, offset: earliest, leaderEpoch: -1 }));
  await consumer.commit({ offsets });
}
