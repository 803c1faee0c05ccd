export function startFixtures(): Promise<{
  readonly url: string;
  play(scene: string): void;
  close(): void;
}>;
