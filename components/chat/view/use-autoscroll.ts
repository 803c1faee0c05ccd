'use client';
import { useCallback, useEffect, useRef, useState, type RefObject } from 'react';

/** Nearer than this to the end counts as the end: fractions of pixels, and a last margin. */
const END_PX = 8;

interface Autoscroll {
  readonly frame: RefObject<HTMLDivElement | null>;
  readonly content: RefObject<HTMLDivElement | null>;
  /** False once the reader has scrolled up; text then grows without moving what they read. */
  readonly following: boolean;
  readonly onScroll: () => void;
  readonly follow: () => void;
}

/** Keeps the end of `content` in sight inside `frame` until the reader scrolls up. */
export function useAutoscroll(): Autoscroll {
  const frame = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const lastTop = useRef(0);
  const pinned = useRef(true);
  const [following, setFollowing] = useState(true);

  const pin = (value: boolean) => {
    pinned.current = value;
    setFollowing(value);
  };
  const follow = useCallback(() => {
    pinned.current = true;
    setFollowing(true);
    toEnd(frame.current);
  }, []);

  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (pinned.current) toEnd(frame.current);
    });
    if (frame.current) observer.observe(frame.current);
    if (content.current) observer.observe(content.current);
    return () => observer.disconnect();
  }, []);

  const onScroll = () => {
    if (!frame.current) return;
    const { scrollTop, scrollHeight, clientHeight } = frame.current;
    if (scrollHeight - scrollTop - clientHeight <= END_PX) pin(true);
    else if (scrollTop < lastTop.current) pin(false);
    lastTop.current = scrollTop;
  };

  return { frame, content, following, onScroll, follow };
}

function toEnd(frame: HTMLDivElement | null): void {
  if (frame) frame.scrollTop = frame.scrollHeight;
}
